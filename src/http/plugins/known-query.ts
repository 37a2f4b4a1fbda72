import { AppError } from '../../errors.ts'

/** A route as the router lists it, as far as its query is concerned. */
interface DescribedRoute {
  readonly method: string
  readonly path: string
  readonly hooks?: { readonly query?: unknown; readonly detail?: unknown }
}

/** Where every parameter means something, of tokens a key of their metadata; and what Composer asks under `/api/`. */
const OPEN = new Set([
  'GET /api/tokens/',
  'GET /api/security-advisories',
  'POST /api/security-advisories',
  'POST /api/filter-lists',
])

/**
 * Refuses query parameters of the management API that its routes do not describe: one that is misspelt would else be
 * ignored, and a list be longer than was asked for. What Composer asks is not checked, since proxies and mirrors add
 * parameters of their own.
 */
export function queryCheck(routesOf: () => readonly DescribedRoute[]) {
  let known: Map<string, ReadonlySet<string>> | null = null
  return (request: Request, route: string): void => {
    if (!route.startsWith('/api/') || !request.url.includes('?')) return
    known ??= new Map(routesOf().map((entry) => [`${entry.method} ${entry.path}`, parametersOf(entry)]))
    const name = `${request.method === 'HEAD' ? 'GET' : request.method} ${route}`
    if (OPEN.has(name)) return
    const allowed = known.get(name) ?? new Set()
    const unknown = new Set([...new URL(request.url).searchParams.keys()].filter((key) => !allowed.has(key)))
    if (unknown.size > 0) throw unknownParameters([...unknown].slice(0, 20), [...allowed])
  }
}

function parametersOf({ hooks = {} }: DescribedRoute): Set<string> {
  const { properties = {} } = (hooks.query ?? {}) as { properties?: object }
  const { parameters = [] } = (hooks.detail ?? {}) as { parameters?: readonly { in: string; name: string }[] }
  const described = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name)
  return new Set([...Object.keys(properties), ...described])
}

function unknownParameters(unknown: readonly string[], allowed: readonly string[]): AppError {
  const names = unknown.map((name) => name.slice(0, 100))
  const choice = allowed.length === 0 ? 'this address takes none' : `possible are ${allowed.join(', ')}`
  return new AppError('invalid', `Unknown in the query: ${names.join(', ')}; ${choice}.`, {
    details: { fields: Object.fromEntries(names.map((name) => [name, 'is not a known query parameter'])) },
  })
}
