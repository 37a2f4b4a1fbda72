import type { Server } from 'bun'

/** What is known of a request beside its own text: who sent it, and the id it is answered with. */
export class RequestFacts {
  private readonly ids = new WeakMap<Request, string>()
  private readonly routes = new WeakMap<Request, string>()
  private server: Pick<Server<undefined>, 'requestIP'> | null = null
  private senderAt: (port: number) => string | null = () => null

  /**
   * Names the server to ask for addresses. Asked when somebody wants to know: most answers depend on none. `senderAt` knows
   * whose bytes come from a port of this machine.
   */
  attach(server: Pick<Server<undefined>, 'requestIP'>, senderAt: (port: number) => string | null = () => null): void {
    this.server = server
    this.senderAt = senderAt
  }

  /** Address of the peer, while the request is answered; null over the local socket. */
  readonly peerOf = (request: Request): string | null => {
    const peer = this.server?.requestIP(request) ?? null
    return peer === null ? null : (this.senderAt(peer.port) ?? peer.address)
  }

  /** Notes the id that a request is answered with. */
  noteId(request: Request, id: string): void {
    this.ids.set(request, id)
  }

  /** Notes which route answers a request, as its pattern. */
  noteRoute(request: Request, route: string): void {
    this.routes.set(request, route)
  }

  /** Pattern of the route that answered; empty when there is none. */
  readonly routeOf = (request: Request): string => this.routes.get(request) ?? ''

  /** The noted id, or empty. */
  readonly idOf = (request: Request): string => this.ids.get(request) ?? ''
}
