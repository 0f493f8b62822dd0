/**
 * A key as unstorage keeps it apart from every other: unstorage makes one of `/`, `\` and runs of `:`, drops what
 * follows `?` and hides keys ending in `$`. All but word characters, `-` and the separator `:` is written as `~` and
 * four hex digits (one UTF-16 unit, so that lone surrogates survive too); an empty segment is `~` alone.
 */
export function toStorageKey(key: string): string {
  return key.split(":").map(escapeSegment).join(":");
}

export function fromStorageKey(stored: string): string {
  return stored.split(":").map(unescapeSegment).join(":");
}

function escapeSegment(segment: string): string {
  return segment === "" ? "~" : segment.replaceAll(/[^\w-]/g, escapeUnit);
}

function escapeUnit(unit: string): string {
  return `~${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function unescapeSegment(segment: string): string {
  if (segment === "~") return "";
  return segment.replaceAll(/~([0-9a-f]{4})/g, (_match, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
