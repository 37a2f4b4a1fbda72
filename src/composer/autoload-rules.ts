import { isEmpty } from './manifest.ts'

const PATH_TYPES = ['psr-0', 'psr-4', 'classmap', 'files', 'exclude-from-classmap'] as const

/**
 * Why a client that installed this package could not write its autoloader, as one sentence; null when it could.
 * Composer: `AutoloadGenerator::validatePackage` and `parseAutoloadsType`.
 */
export function autoloadProblem(autoload: unknown, targetDir: unknown): string | null {
  if (typeof autoload !== 'object' || autoload === null) return null
  const rules: Record<string, unknown> = { ...autoload }
  const psr4 = rules['psr-4']
  if (!isEmpty(psr4)) {
    if (targetDir !== undefined && targetDir !== null) return 'autoload.psr-4 cannot be used together with target-dir'
    const problem = namespacesProblem(psr4)
    if (problem !== null) return problem
  }
  for (const type of PATH_TYPES) {
    const entries = rules[type]
    if (typeof entries !== 'object' || entries === null) continue
    // With a target-dir Composer puts it in front, which makes a text of a number.
    const strict = (type === 'files' || type === 'exclude-from-classmap') && isEmpty(targetDir)
    if (
      !Object.values(entries)
        .flatMap(pathsOf)
        .every((path) => isPath(path, strict))
    ) {
      return `autoload.${type} must hold paths as strings`
    }
  }
  return null
}

function namespacesProblem(psr4: unknown): string | null {
  if (typeof psr4 !== 'object' || psr4 === null) return 'autoload.psr-4 must be an object of namespaces and paths'
  const wrong = Object.keys(psr4).find((namespace) => namespace !== '' && !namespace.endsWith('\\'))
  if (wrong === undefined) return null
  return `autoload.psr-4: the namespace "${wrong.slice(0, 100)}" must end with a backslash`
}

/** PHP `(array) $paths`. */
function pathsOf(entry: unknown): unknown[] {
  if (entry === null) return []
  return typeof entry === 'object' ? Object.values(entry) : [entry]
}

function isPath(path: unknown, strict: boolean): boolean {
  return strict ? typeof path === 'string' : typeof path !== 'object' || path === null
}
