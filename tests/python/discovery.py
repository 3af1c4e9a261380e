"""Checks discovery messages against Home Assistant's own schema.

Reads an object of topic and message from standard input. Takes Home Assistant's
package, of a version that this Python can have.
"""

import importlib
import json
import sys

import voluptuous
from homeassistant.components.mqtt import discovery

messages = json.load(sys.stdin)
for topic, message in messages.items():
    prefix, component, node, name, last = topic.split("/")
    assert last == "config", topic
    found = discovery.TOPIC_MATCHER.match(f"{component}/{node}/{name}/config")
    assert found and found.group("component") == component, topic
    module = importlib.import_module(f"homeassistant.components.mqtt.{component}")
    try:
        checked = module.DISCOVERY_SCHEMA(message)
    except voluptuous.Invalid as error:
        sys.exit(f"{topic}: {error}")
    # The schema drops what it does not know, which would be a misspelt name.
    unknown = set(message) - set(map(str, checked))
    assert not unknown, f"{topic}: {unknown}"
print(f"{len(messages)} messages are valid")
