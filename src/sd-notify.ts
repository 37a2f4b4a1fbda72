import { dlopen, type Pointer, ptr } from 'bun:ffi'
import { setTimeout } from 'node:timers/promises'
import { AppError, messageOf } from './errors.ts'

/** Of the C library, on Linux with glibc; a system with another one has no systemd. */
const C_LIBRARY = 'libc.so.6'
const AF_UNIX = 1
const SOCK_DGRAM_CLOEXEC = 0o2000002
const MSG_DONTWAIT_NOSIGNAL = 0x4040
/** Of `sun_path` in sockaddr_un(7), its last zero included. */
const LONGEST_PATH = 108

/** How often a message is sent again to a socket that takes none now, and how long after, in milliseconds. */
const ATTEMPTS = 20
const RETRY_MS = 50

/** Tells a service manager how a process does, as sd_notify(3) describes. */
export interface Notifier {
  /** Sends assignments like `READY=1`, as one message. Throws AppError('unavailable') when nobody takes it. */
  tell(...assignments: readonly string[]): Promise<void>
}

/**
 * A notifier for the socket that `NOTIFY_SOCKET` names, a path or `@` and an abstract name; null sends to nobody. Bun has
 * no datagram sockets of the Unix family, so the C library is called. Throws AppError('unavailable') when there is none.
 */
export function openNotifier(socket: string | null): Notifier {
  if (socket === null) return { tell: async () => {} }
  const address = addressOf(socket)
  const send = sender()
  return {
    async tell(...assignments) {
      const message = new TextEncoder().encode(assignments.join('\n'))
      for (let attempt = 0; !send(message, address); attempt++) {
        if (attempt === ATTEMPTS) throw new AppError('unavailable', `Nobody takes messages at NOTIFY_SOCKET ${socket}.`)
        await setTimeout(RETRY_MS)
      }
    },
  }
}

/** struct sockaddr_un: the family in the byte order of the machine, then the path. */
function addressOf(socket: string): Uint8Array {
  const name = Buffer.from(socket)
  const abstract = socket.startsWith('@')
  if (!(abstract || socket.startsWith('/')) || name.length >= LONGEST_PATH)
    throw new AppError('unavailable', `NOTIFY_SOCKET ${socket} is no address of a Unix socket.`)
  if (abstract) name[0] = 0
  const family = new Uint8Array(new Uint16Array([AF_UNIX]).buffer)
  return Buffer.concat([family, name, ...(abstract ? [] : [Buffer.alloc(1)])])
}

/** Sends one message without waiting; false when it was not taken. */
function sender(): (message: Uint8Array, address: Uint8Array) => boolean {
  const { symbols } = openCLibrary()
  return (message, address) => {
    const socket = symbols.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0)
    if (socket < 0) return false
    try {
      const sent = symbols.sendto(
        ...([socket, ptr(message), BigInt(message.length), MSG_DONTWAIT_NOSIGNAL] as const),
        ...([ptr(address), address.length] as const),
      )
      return Number(sent) === message.length
    } finally {
      symbols.close(socket)
    }
  }
}

interface CLibrary {
  symbols: {
    socket(domain: number, type: number, protocol: number): number
    sendto(
      socket: number,
      message: Pointer,
      length: bigint,
      flags: number,
      address: Pointer,
      addressLength: number,
    ): bigint
    close(socket: number): number
  }
}

function openCLibrary(): CLibrary {
  try {
    return dlopen(C_LIBRARY, {
      socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
      sendto: { args: ['i32', 'ptr', 'u64', 'i32', 'ptr', 'u32'], returns: 'i64' },
      close: { args: ['i32'], returns: 'i32' },
    }) as CLibrary
  } catch (error) {
    throw new AppError('unavailable', `NOTIFY_SOCKET is set, but ${C_LIBRARY} cannot be loaded: ${messageOf(error)}`, {
      cause: error,
      fault: 'lasting',
    })
  }
}
