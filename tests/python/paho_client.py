"""What paho's client gets over MQTT 5 and over MQTT 3.1.1."""

import json
import os
import queue

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PORT = int(os.environ["SHOAL_MQTT"])
ROOT = "shoal/v1/plant/line3/"
PATIENCE = 170


class Device:
    """Connected and subscribed when it is made."""

    def __init__(self, name, version, filters):
        self.came = queue.Queue()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version)
        self.client.on_message = lambda client, data, message: self.came.put(message)
        ready = queue.Queue()
        self.client.on_connect = lambda client, *more: client.subscribe([(topic, 1) for topic in filters])
        self.client.on_subscribe = lambda *more: ready.put(True)
        self.client.connect("127.0.0.1", PORT)
        self.client.loop_start()
        assert ready.get(timeout=PATIENCE)

    def send(self, topic, payload, properties=None):
        self.client.publish(topic, payload, qos=1, properties=properties).wait_for_publish(PATIENCE)

    def wait(self, topic, wanted=lambda said: True):
        while True:
            message = self.came.get(timeout=PATIENCE)
            if message.topic == topic:
                said = json.loads(message.payload)
                if wanted(said):
                    return message, said


def task(name, tokens=4):
    return json.dumps({"id": name, "model": "local", "prompt": "Say hello.", "max_tokens": tokens})


# MQTT 3.1.1 has no properties: what comes back is on the task's own topics.
old = Device("old", mqtt.MQTTv311, [ROOT + "tasks/+/result", ROOT + "tasks/+/state", ROOT + "errors"])
old.send(ROOT + "tasks", task("old-1"))
_, said = old.wait(ROOT + "tasks/old-1/result")
assert (said["id"], said["state"]) == ("old-1", "done"), said
assert isinstance(said["answer"], str), said
old.send(ROOT + "tasks", '{"prompt":')
_, said = old.wait(ROOT + "errors")
assert "JSON" in said["error"], said
old.send(ROOT + "tasks", task("old-2", 2000))
old.wait(ROOT + "tasks/old-2/state", lambda said: said["state"] == "running")
old.send(ROOT + "tasks/old-2/cancel", "")
_, said = old.wait(ROOT + "tasks/old-2/result")
assert said["state"] == "cancelled", said
# Somebody who comes later sees how it ended.
late = Device("late", mqtt.MQTTv311, [ROOT + "tasks/old-2/state"])
message, said = late.wait(ROOT + "tasks/old-2/state")
assert message.retain and said["state"] == "cancelled", said

# MQTT 5.
new = Device("new", mqtt.MQTTv5, ["plc/answers"])
properties = Properties(PacketTypes.PUBLISH)
properties.ResponseTopic = "plc/answers"
properties.CorrelationData = b"c7"
properties.UserProperty = [("client", "new"), ("order", "4711")]
properties.MessageExpiryInterval = 600
new.send(ROOT + "tasks", task("new-1"), properties)
first, said = new.wait("plc/answers")
assert said["state"] == "done", said
assert first.properties.CorrelationData == b"c7"
given = dict(first.properties.UserProperty)
assert given["order"] == "4711" and given["client"] == "new" and len(given["message-id"]) == 16, given
# The same again is answered from the store.
new.send(ROOT + "tasks", task("new-1"), properties)
_, again = new.wait("plc/answers")
assert again == said, again
properties.CorrelationData = b"c8"
new.send(ROOT + "tasks", "x" * (1 << 20) + "x", properties)
refused, said = new.wait("plc/answers")
assert "at most 1048576 bytes" in said["error"] and refused.properties.CorrelationData == b"c8", said
print("all as expected")
