/** A method and the path pattern it belongs to, such as `GET /p2/:vendor/:file`. */
export interface Route {
  readonly method: string
  readonly path: string
}

/** Methods that a path is asked with, `HEAD` wherever there is `GET`; empty for a path that is nowhere. */
export function methodsAt(routes: readonly Route[], pathname: string): string[] {
  const methods = new Set<string>()
  const wanted = segmentsOf(pathname)
  for (const { method, path } of routes) {
    if (!fits(segmentsOf(path), wanted)) continue
    methods.add(method)
    if (method === 'GET') methods.add('HEAD')
  }
  if (methods.size > 0) methods.add('OPTIONS')
  return [...methods].sort()
}

/** One slash at the end says nothing. */
function segmentsOf(path: string): string[] {
  return path.replace(/\/$/, '').split('/')
}

function fits(pattern: readonly string[], wanted: readonly string[]): boolean {
  for (const [at, segment] of pattern.entries()) {
    if (segment === '*') return wanted.length > at
    const given = wanted[at]
    if (given === undefined || (segment.startsWith(':') ? given === '' : segment !== given)) return false
  }
  return pattern.length === wanted.length
}
