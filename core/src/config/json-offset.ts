/**
 * Where a text stops being JSON (RFC 8259), as an offset. `JSON.parse` tells the place only for some errors, and for
 * the others quotes the text, which may hold a key.
 */
export function jsonFaultOffset(text: string): number {
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.test(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const list = (close: RegExp, item: () => boolean): boolean => {
    if (take(close)) return true;
    do if (!item()) return false;
    while (take(COMMA));
    return take(close);
  };
  const value = (): boolean => {
    take(SPACE);
    if (take(/\{\s*/y)) return list(/\}\s*/y, () => take(STRING) && take(/:\s*/y) && value());
    if (take(/\[\s*/y)) return list(/\]\s*/y, value);
    return take(STRING) || take(/(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*/y);
  };
  value();
  return at;
}

const SPACE = /\s*/y;
const COMMA = /,\s*/y;
// oxlint-disable-next-line no-control-regex -- control characters are what JSON does not allow in a string
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"\s*/y;
