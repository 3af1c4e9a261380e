"""What the official client expects of an OpenAI-compatible server."""

import json
import os
import ssl

import openai

URL = os.environ["SHOAL_URL"]
KEY = os.environ["SHOAL_KEY"]
client = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0)
hello = [{"role": "user", "content": "Say hello in one short sentence."}]


def raises(kind, code, **request):
    try:
        client.chat.completions.create(**{"model": "local", "messages": hello, "max_tokens": 4, **request})
    except kind as error:
        assert type(error) is kind, (type(error), kind)
        assert error.code == code, (error.code, code)
        assert error.message and error.request_id, error
        return error
    raise AssertionError(f"no {kind.__name__}")


models = [model.id for model in client.models.list()]
assert {"shoal-mini", "shoal-ultra", "local"} <= set(models), models
assert client.models.retrieve("local").id == "local"

answer = client.chat.completions.with_raw_response.create(model="shoal-mini", messages=hello, max_tokens=16, temperature=0)
trace = answer.headers["x-shoal-trace"]
chat = answer.parse()
assert trace and chat.choices[0].message.content.strip(), chat
assert chat.choices[0].finish_reason in ("stop", "length")
assert chat.usage.prompt_tokens > 0 and chat.usage.completion_tokens > 0
assert chat.usage.total_tokens == chat.usage.prompt_tokens + chat.usage.completion_tokens
assert "orchestration_input_tokens" in chat.usage.prompt_tokens_details.model_dump()
assert "orchestration_output_tokens" in chat.usage.completion_tokens_details.model_dump()

pieces, finish, usage = [], None, None
stream = client.chat.completions.create(
    model="shoal-mini", messages=hello, max_tokens=16, temperature=0, stream=True, stream_options={"include_usage": True}
)
for chunk in stream:
    for choice in chunk.choices:
        pieces.append(choice.delta.content or "")
        finish = choice.finish_reason or finish
    usage = chunk.usage or usage
assert "".join(pieces) == chat.choices[0].message.content, (pieces, chat)
assert len(pieces) > 3 and finish in ("stop", "length") and usage.completion_tokens > 0

schema = {
    "type": "object",
    "properties": {"fault": {"enum": ["pump", "valve"]}, "line": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["fault", "line"],
    "additionalProperties": False,
}
shaped = client.chat.completions.create(
    model="local",
    messages=[{"role": "user", "content": "The pump of line 3 fails. Give the fault and the line as JSON."}],
    max_tokens=64,
    response_format={"type": "json_schema", "json_schema": {"name": "fault", "schema": schema, "strict": True}},
)
fault = json.loads(shaped.choices[0].message.content)
assert fault["fault"] in ("pump", "valve") and 1 <= fault["line"] <= 9, fault

stopped = client.chat.completions.create(
    model="local",
    messages=[{"role": "user", "content": "Count from 1 to 9, with commas."}],
    max_tokens=64,
    temperature=0,
    stop=["5"],
)
assert "5" not in stopped.choices[0].message.content, stopped

same = [
    client.chat.completions.create(model="local", messages=hello, max_tokens=12, temperature=0.9, seed=7)
    .choices[0]
    .message.content
    for _ in range(2)
]
assert same[0] == same[1], same

try:
    openai.OpenAI(base_url=URL, api_key="sk-wrong", max_retries=0).models.list()
    raise AssertionError("a wrong key was taken")
except openai.AuthenticationError as error:
    assert error.code == "invalid_api_key", error.code

raises(openai.NotFoundError, "model_not_found", model="gpt-17")
raises(openai.BadRequestError, "context_length_exceeded", messages=[{"role": "user", "content": "pump " * 9000}])
bad = raises(openai.BadRequestError, "invalid_value", temperature=9)
assert bad.param == "temperature", bad.param

secure = openai.OpenAI(
    base_url=os.environ["SHOAL_HTTPS"],
    api_key=KEY,
    max_retries=0,
    http_client=openai.DefaultHttpxClient(verify=ssl.create_default_context(cafile=os.environ["SHOAL_CA"])),
)
assert "local" in [model.id for model in secure.models.list()]

print("all as expected")
