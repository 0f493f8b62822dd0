"""Drives a gateway with the OpenAI SDK for Python and with httpx, and prints what came of it as one JSON object.

Usage: drive.py {chat | embeddings | media | errors} BASE_URL KEY MODEL. Judging is for the test that runs this.
"""

import asyncio
import hashlib
import io
import json
import sys
from typing import Any, Callable

import httpx
import openai

HELLO = [{"role": "user", "content": "Hello!"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"const": "Rome"}}, "required": ["city"]},
    },
}
RECORDING = bytes(range(256)) * 1000
TIMEOUT_SECONDS = 60


def chat(client: openai.OpenAI, model: str) -> dict[str, Any]:
    whole = client.chat.completions.create(model=model, messages=HELLO)
    pieces, usages = [], 0
    for chunk in client.chat.completions.create(model=model, messages=HELLO, stream=True):
        pieces.append(chunk.choices[0].delta.content or "")
        usages += chunk.usage is not None
    asked = list(
        client.chat.completions.create(
            model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    question = [{"role": "user", "content": "How is the weather?"}]
    calling = client.chat.completions.create(model=model, messages=question, tools=[WEATHER]).choices[0].message
    call = calling.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}
    answer = client.chat.completions.create(
        model=model, messages=[*question, calling.model_dump(exclude_none=True), result], tools=[WEATHER]
    )
    return {
        "model": whole.model,
        "text": whole.choices[0].message.content,
        "total_tokens": whole.usage.total_tokens,
        "streamed": pieces,
        "chunks_with_usage": usages,
        "usage_asked_for": asked[-1].usage.total_tokens,
        "call": [call.function.name, json.loads(call.function.arguments)],
        "answer": answer.choices[0].message.content,
        "async": asyncio.run(stream_async(client, model)),
        "httpx": read_by_httpx(client, model),
    }


async def stream_async(client: openai.OpenAI, model: str) -> str:
    async with openai.AsyncOpenAI(base_url=client.base_url, api_key=client.api_key) as other:
        stream = await other.chat.completions.create(model=model, messages=HELLO, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])


def read_by_httpx(client: openai.OpenAI, model: str) -> dict[str, Any]:
    """As the quick start reads a stream: line by line, up to the terminator."""
    request = {
        "url": f"{client.base_url}chat/completions",
        "headers": {"authorization": f"Bearer {client.api_key}"},
        "timeout": TIMEOUT_SECONDS,
    }
    whole = httpx.post(json={"model": model, "messages": HELLO, "stream": False}, **request).json()
    text, other_lines, done = "", [], False
    with httpx.stream("POST", json={"model": model, "messages": HELLO, "stream": True}, **request) as response:
        for line in response.iter_lines():
            if line == "":
                continue
            if done or not line.startswith("data: "):
                other_lines.append(line)
            elif line == "data: [DONE]":
                done = True
            else:
                text += json.loads(line[len("data: ") :])["choices"][0]["delta"].get("content") or ""
    return {
        "whole": whole["choices"][0]["message"]["content"],
        "streamed": text,
        "other_lines": other_lines,
        "done": done,
    }


def embeddings(client: openai.OpenAI, model: str) -> dict[str, Any]:
    texts = ["one", "two"]
    by_base64 = client.embeddings.create(model=model, input=texts)
    by_float = client.embeddings.create(model=model, input=texts, encoding_format="float")
    return {
        "vectors": len(by_base64.data),
        "same_numbers": all(
            abs(left - right) < 1e-6
            for a, b in zip(by_base64.data, by_float.data, strict=True)
            for left, right in zip(a.embedding, b.embedding, strict=True)
        ),
    }


def media(client: openai.OpenAI, embedding_model: str) -> dict[str, Any]:
    speech = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello!")
    form = {"model": "ears", "file": ("speech.mp3", io.BytesIO(RECORDING))}
    image = client.images.generate(model="gpt-image-1", prompt="A boat", n=2)
    edited = client.images.edit(
        model="gpt-image-1", prompt="A boat", image=[("one.png", RECORDING), ("two.png", RECORDING)]
    )
    response = client.responses.create(model="gpt-4o-mini", input="Hello!")
    deltas = [
        event.delta
        for event in client.responses.create(model="gpt-4o-mini", input="Hello!", stream=True)
        if event.type == "response.output_text.delta"
    ]
    return {
        **embeddings(client, embedding_model),
        "speech": {"type": speech.response.headers["content-type"], "bytes": len(speech.content)},
        "recording": hashlib.sha256(RECORDING).hexdigest(),
        "transcription": client.audio.transcriptions.create(**form).text,
        "vtt": client.audio.transcriptions.create(**form, response_format="vtt"),
        "images": [len(picture.b64_json) > 0 for picture in image.data],
        "edited": len(edited.data),
        "response": response.output_text,
        "response_streamed": "".join(deltas),
        "models": [model.id for model in client.models.list()],
        "model": client.models.retrieve("qwen2.5:7b").id,
        "flagged": [
            result.flagged
            for result in client.moderations.create(
                model="omni-moderation-latest", input=["Hello!", "I will attack you"]
            ).results
        ],
    }


def errors(client: openai.OpenAI, model: str) -> dict[str, Any]:
    """The backend is set to cut the first stream, and to be at its limit for the call after it."""

    def create(**more: Any) -> Any:
        return client.chat.completions.create(**{"model": model, "messages": HELLO, **more})

    strangers = client.with_options(api_key="sk-gateway-nobody-has-this-one")
    return {
        "cut": failure_of(lambda: list(create(stream=True))),
        "limit": failure_of(create),
        "model": failure_of(lambda: create(model="gpt-9")),
        "request": failure_of(lambda: create(messages="Hello!")),
        "key": failure_of(lambda: strangers.chat.completions.create(model=model, messages=HELLO)),
        "operation": failure_of(lambda: client.moderations.create(model="qwen2.5:7b", input="Hello!")),
    }


def failure_of(call: Callable[[], Any]) -> dict[str, Any]:
    try:
        call()
    except openai.APIError as error:
        return {
            "class": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": error.code,
            "param": error.param,
        }
    return {"class": None}


def main() -> None:
    what, base_url, key, model = sys.argv[1:]
    client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=TIMEOUT_SECONDS)
    drive = {"chat": chat, "embeddings": embeddings, "media": media, "errors": errors}[what]
    print(json.dumps(drive(client, model)))


main()
