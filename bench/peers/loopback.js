/** Preloaded into peers that cannot be told an address: a port without a host is bound to loopback, once, at start. */
import { Server } from "node:net";

// oxlint-disable-next-line typescript/unbound-method -- called with the server as `this` below
const listen = Server.prototype.listen;
Server.prototype.listen = function listenOnLoopback(port, host, ...rest) {
  const local = typeof port === "number" && host === undefined ? "127.0.0.1" : host;
  return listen.call(this, port, local, ...rest);
};
