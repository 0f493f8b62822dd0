import { isAccountRefused, mayRepeat } from "gatewright";
import type { FailedCall, UpstreamFailure } from "gatewright";
import { describe, expect, it } from "vitest";

function isRepeated(failure: UpstreamFailure, call: Partial<FailedCall> = {}): boolean {
  return mayRepeat({ failure, status: failure.status, replaySafe: true, stream: false, ...call });
}

describe("a failed call may be repeated", () => {
  it("where nothing was sent, whatever the operation", () => {
    expect(isRepeated({ kind: "connect", sent: false }, { replaySafe: false })).toBe(true);
  });

  it("where no headers came, if the operation is safe to repeat", () => {
    expect(isRepeated({ kind: "reset", sent: true })).toBe(true);
    expect(isRepeated({ kind: "reset", sent: true }, { replaySafe: false })).toBe(false);
  });

  it.each([429, 500, 502, 503, 504, 529])("after %i, if the operation is safe to repeat", (status) => {
    expect(isRepeated({ kind: "status", sent: true, status })).toBe(true);
    expect(isRepeated({ kind: "status", sent: true, status }, { replaySafe: false })).toBe(false);
  });

  it.each([302, 400, 401, 402, 403, 404, 422, 501])(
    "never after %i, which another call would get",
    (status) => {
      expect(isRepeated({ kind: "status", sent: true, status })).toBe(false);
      expect(isRepeated({ kind: "truncated", sent: true }, { status, stream: true })).toBe(false);
    },
  );

  it("after good headers only where it is a stream, which has not begun then", () => {
    expect(isRepeated({ kind: "malformed", sent: true }, { status: 200, stream: true })).toBe(true);
    expect(isRepeated({ kind: "malformed", sent: true }, { status: 200 })).toBe(false);
    expect(
      isRepeated({ kind: "malformed", sent: true }, { status: 200, stream: true, replaySafe: false }),
    ).toBe(false);
  });
});

describe("the account at a backend is refused", () => {
  it.each([401, 402, 403])("by %i", (status) => {
    expect(isAccountRefused({ failure: { kind: "status", sent: true, status }, status })).toBe(true);
  });

  it("by a code that says that it is used up, whatever the status", () => {
    const failure = { kind: "status", sent: true, status: 429, code: "insufficient_quota" } as const;
    expect(isAccountRefused({ failure, status: 429 })).toBe(true);
  });

  it("neither by other statuses nor where nothing was sent", () => {
    expect(isAccountRefused({ failure: { kind: "status", sent: true, status: 429 }, status: 429 })).toBe(
      false,
    );
    expect(isAccountRefused({ failure: { kind: "connect", sent: false }, status: undefined })).toBe(false);
  });
});
