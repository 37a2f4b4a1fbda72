/** What is known of a request beside its own text: who sent it, and the id it is answered with. */
export class RequestFacts {
  private readonly addresses = new WeakMap<Request, string>()
  private readonly ids = new WeakMap<Request, string>()

  /** Notes the address of the peer; a request of the local socket has none. */
  notePeer(request: Request, address: string | undefined): void {
    if (address !== undefined) this.addresses.set(request, address)
  }

  /** Address of the peer, or null. */
  readonly peerOf = (request: Request): string | null => this.addresses.get(request) ?? null

  /** Id of the request: the client's when it is a sane one, so that its log and ours name the same request. */
  readonly idOf = (request: Request): string => {
    const known = this.ids.get(request)
    if (known !== undefined) return known
    const sent = request.headers.get('x-request-id')
    const id = sent !== null && /^[A-Za-z0-9._-]{1,100}$/.test(sent) ? sent : crypto.randomUUID()
    this.ids.set(request, id)
    return id
  }
}
