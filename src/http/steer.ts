// Which of several sockets that listen on one port takes the new connections.
//
// A certificate is renewed by a second server on the same port (SO_REUSEPORT). Left alone, Linux
// spreads new connections over both, and one that waits to be accepted when the old socket is
// closed is reset. So Linux is told, by a filter of one instruction, to give every new connection
// to the newest socket: the old one has nobody waiting when it is closed, and the new certificate
// is what everybody sees from the first moment.

import { ptr } from "bun:ffi";
import { readdirSync } from "node:fs";
import { fromLibc } from "../libc.ts";

/** Of <asm/socket.h> and <linux/bpf_common.h>. */
const SOL_SOCKET = 1;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const BPF_RETURN_CONSTANT = 0x06;

const setsockopt = { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" } as const;

/** `struct sock_filter`: return a constant, the socket's place in the order they were bound. */
function filterFor(place: number): Uint8Array {
  const filter = Buffer.alloc(8);
  filter.writeUInt16LE(BPF_RETURN_CONSTANT, 0);
  filter.writeUInt32LE(place, 4);
  return filter;
}

/** `struct sock_fprog`: how many instructions, and where they are. */
function programOf(filter: Uint8Array): Uint8Array {
  const program = Buffer.alloc(16);
  program.writeUInt16LE(1, 0);
  program.writeBigUInt64LE(BigInt(ptr(filter)), 8);
  return program;
}

/**
 * Gives new connections to one of the sockets of this process that share a port. Does nothing where
 * it is not Linux: there a renewal may reset a connection that was not accepted yet.
 */
export function steerTo(place: number): void {
  const libc = fromLibc({ setsockopt });
  if (libc === null) return;
  const filter = filterFor(place);
  const program = programOf(filter);
  // The runtime does not tell a listening socket's descriptor. Any other one, a file, a connection
  // or a socket that shares nothing, refuses the filter and is as it was.
  for (const name of readdirSync("/proc/self/fd")) {
    libc.setsockopt(Number(name), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, ptr(program), 16);
  }
}
