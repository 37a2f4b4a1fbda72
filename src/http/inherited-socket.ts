import type { Socket, SocketListener } from 'bun'

/** Seconds for which a client that was accepted may be silent before its first request. */
const SILENT_SECONDS = 30
/** Seconds that a client has for the rest of an answer whose sender is gone. */
const REST_SECONDS = 60
/** How long the first request of a connection takes into the server at most, in milliseconds. */
const ARRIVAL_MS = 100
/** Longest wait, when accepting ends, for clients that have said nothing yet. */
const FIRST_REQUEST_MS = 1_000
const LOOK_MS = 10

const NOTHING = new Uint8Array()

type Tcp = Socket<undefined>

/** One direction of a connection: what cannot be sent yet is kept, and no more is read until it is sent. */
class Direction {
  private rest: Uint8Array = NOTHING
  private ending = false

  constructor(
    private readonly from: Tcp,
    private readonly to: Tcp,
  ) {}

  pass(bytes: Uint8Array): void {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes])
    this.send()
    if (this.rest.length > 0) this.from.pause()
  }

  /** The receiver takes more. */
  send(): void {
    if (this.rest.length > 0) this.rest = this.rest.subarray(Math.max(this.to.write(this.rest), 0))
    if (this.rest.length > 0) return
    if (this.ending) this.to.end()
    else this.from.resume()
  }

  /** Everything that came has been sent, and nothing more comes. */
  get isDone(): boolean {
    return this.ending && this.rest.length === 0
  }

  /** Nothing more comes. */
  end(): void {
    this.ending = true
    if (this.rest.length > 0) this.to.timeout(REST_SECONDS)
    this.send()
  }
}

interface Connection {
  /** Both are there once the server is connected, which it is when the client has said something. */
  toServer: Direction | null
  toClient: Direction | null
  /** What the client said before that. */
  first: Uint8Array
}

/**
 * Hands connections to a server in this process that wait at a socket which was opened, and stays open, outside: while
 * one process ends and the next one starts, clients wait in its queue instead of being refused. Bun's server listens on
 * no socket but its own, so bytes are copied; the server sees `peerOf` in place of the client.
 */
export class InheritedSocket {
  private readonly listener: SocketListener<undefined>
  private readonly connections = new Map<Tcp, Connection>()
  /** Clients of whom the server may not have heard yet. */
  private readonly unheard = new Set<Tcp>()
  /** Address of a client by the port that its bytes come from. */
  private readonly peers = new Map<number, string>()

  /** Accepts at file descriptor `fd` and connects to `port` of this machine. */
  constructor(
    fd: number,
    private readonly port: number,
  ) {
    const options = {
      fd,
      socket: {
        open: (client: Tcp) => this.accept(client),
        data: (client: Tcp, bytes: Buffer) => this.hear(client, bytes),
        drain: (client: Tcp) => this.connections.get(client)?.toClient?.send(),
        timeout: (client: Tcp) => client.terminate(),
        close: (client: Tcp) => this.forget(client),
        error: (client: Tcp) => client.terminate(),
      },
    }
    // Bun takes a listening descriptor in place of an address; its types do not say so.
    this.listener = Bun.listen(options as unknown as Bun.TCPSocketListenOptions<undefined>)
  }

  /** Address of the client whose bytes reach the server from `port`; null when it is none of these. */
  peerOf(port: number): string | null {
    return this.peers.get(port) ?? null
  }

  /** Accepts no more. Resolves when the server has heard of every client that was accepted, or they stayed silent. */
  async stop(): Promise<void> {
    this.listener.stop()
    const until = Date.now() + FIRST_REQUEST_MS
    while (this.unheard.size > 0 && Date.now() < until) await Bun.sleep(LOOK_MS)
    for (const client of this.unheard) client.end()
  }

  /** Resolves when all that the server has answered is with the clients, after `graceMs` at the latest. */
  async drained(graceMs: number): Promise<void> {
    const until = Date.now() + graceMs
    const waits = ({ toClient }: Connection) => toClient !== null && !toClient.isDone
    while ([...this.connections.values()].some(waits) && Date.now() < until) await Bun.sleep(LOOK_MS)
  }

  private accept(client: Tcp): void {
    this.connections.set(client, { toServer: null, toClient: null, first: NOTHING })
    this.unheard.add(client)
    client.timeout(SILENT_SECONDS)
  }

  private hear(client: Tcp, bytes: Buffer): void {
    const connection = this.connections.get(client)
    if (connection === undefined) return
    if (connection.toServer !== null) {
      connection.toServer.pass(bytes)
      return
    }
    const connecting = connection.first.length > 0
    connection.first = Buffer.concat([connection.first, bytes])
    client.pause()
    if (!connecting) void this.connect(client, connection)
  }

  private async connect(client: Tcp, connection: Connection): Promise<void> {
    client.timeout(0)
    try {
      await Bun.connect({
        hostname: '127.0.0.1',
        port: this.port,
        socket: {
          open: (server: Tcp) => this.join(client, server, connection),
          data: (_, bytes: Buffer) => {
            this.unheard.delete(client)
            connection.toClient?.pass(bytes)
          },
          drain: () => connection.toServer?.send(),
          close: (server: Tcp) => {
            this.peers.delete(server.localPort)
            connection.toClient?.end()
          },
          error: () => client.terminate(),
        },
      })
    } catch {
      // The server is gone, and with it whoever could answer.
      client.terminate()
    }
  }

  private join(client: Tcp, server: Tcp, connection: Connection): void {
    if (!this.connections.has(client)) return void server.end()
    this.peers.set(server.localPort, client.remoteAddress)
    connection.toServer = new Direction(client, server)
    connection.toClient = new Direction(server, client)
    connection.toServer.pass(connection.first)
    connection.first = NOTHING
    setTimeout(() => this.unheard.delete(client), ARRIVAL_MS)
  }

  private forget(client: Tcp): void {
    this.connections.get(client)?.toServer?.end()
    this.connections.delete(client)
    this.unheard.delete(client)
  }
}
