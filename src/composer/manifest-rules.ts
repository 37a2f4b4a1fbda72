import { messageOf } from '../errors.ts'
import { autoloadProblem } from './autoload-rules.ts'
import { parseConstraint } from './constraint.ts'
import { asObject, jsonValue, type RawFields } from './json.ts'
import { isEmpty } from './manifest.ts'
import { atOnce } from './steps.ts'

const LINK_TYPES = ['require', 'conflict', 'provide', 'replace', 'require-dev'] as const
const PARENT_SEGMENT = /(?:^|[\\/])\.\.(?:[\\/]|\n?$)/
/** Keys that PHP turns into integers, on which clients fail. */
const INTEGER_KEY = /^(?:0|-?[1-9][0-9]{0,18})$/

type Rule = (value: unknown, field: string) => string | null

/**
 * What each field must be so that no client aborts on it; absent and `null` fields are not asked about. One such version
 * in a metadata file breaks the whole command of everybody who asks for the package, whatever version they want.
 * Composer: `ArrayLoader` (run with PHP's strict types), `ValidatingArrayLoader::validatePackage`.
 */
const RULES: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(LINK_TYPES.map((type) => [type, linksProblem])),
  type: stringProblem,
  'target-dir': stringProblem,
  bin: binProblem,
  'include-path': (value, field) =>
    isCollection(value)
      ? items(value).every(isString)
        ? null
        : mustBe(field, 'a list of strings')
      : mustBe(field, 'a list'),
  suggest: (value, field) => (items(value).every(isString) ? null : mustBe(field, 'an object of strings')),
  keywords: (value, field) => (items(value).some(isCollection) ? mustBe(field, 'a list of strings') : null),
  autoload: (value, field) => (isCollection(value) ? null : mustBe(field, 'an object')),
  'autoload-dev': (value, field) => (isCollection(value) ? null : mustBe(field, 'an object')),
  support: (value, field) => (isCollection(value) ? null : mustBe(field, 'an object')),
  'php-ext': (value, field) => (isCollection(value) ? null : mustBe(field, 'an object')),
  archive: archiveProblem,
  source: (value, field) => locationProblem(value, field, ['type', 'url', 'reference']),
  dist: (value, field) => locationProblem(value, field, ['type', 'url']),
}

/** The fields of which one alone can make a version useless. */
export const RULED_FIELDS: readonly string[] = Object.keys(RULES)

/**
 * Why clients cannot use any version with these fields, as one sentence; null when they can. In small steps, for a
 * caller that does other things in between: a megabyte of links takes most of a second.
 */
export function* manifestProblem(fields: RawFields): Generator<void, string | null> {
  for (const field of RULED_FIELDS) {
    yield
    const value = jsonValue(fields.get(field))
    const problem = isLinkType(field) ? yield* linkSteps(value, field) : ruleProblem(field, value)
    if (problem !== null) return problem
  }
  return autoloadProblem(jsonValue(fields.get('autoload')), jsonValue(fields.get('target-dir')))
}

/** The same for one field alone, by its JSON text. */
export function fieldProblem(field: string, raw: string | undefined): string | null {
  return ruleProblem(field, jsonValue(raw))
}

function ruleProblem(field: string, value: unknown): string | null {
  return value === undefined || value === null ? null : (RULES[field]?.(value, field) ?? null)
}

function isLinkType(field: string): boolean {
  return LINK_TYPES.some((type) => type === field)
}

/** True when a link of these fields follows the version (`self.version`), which must then be a constraint. */
export function linksToOwnVersion(fields: RawFields): boolean {
  return LINK_TYPES.some((type) => items(jsonValue(fields.get(type))).includes('self.version'))
}

function linksProblem(value: unknown, field: string): string | null {
  return atOnce(linkSteps(value, field))
}

function* linkSteps(value: unknown, field: string): Generator<void, string | null> {
  if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return null
  const links = asObject(value)
  if (links === null) return mustBe(field, 'an object of package names and constraints')
  for (const [target, constraint] of Object.entries(links)) {
    const problem = linkProblem(field, target, constraint)
    if (problem !== null) return problem
    yield
  }
  return null
}

function linkProblem(field: string, target: string, constraint: unknown): string | null {
  if (INTEGER_KEY.test(target)) return `${field} names a package "${target}", which is no package name`
  if (!isString(constraint)) return mustBe(`the constraint of ${field}.${target.slice(0, 100)}`, 'a string')
  const problem = constraint === 'self.version' ? null : constraintProblem(constraint)
  return problem === null ? null : `${field}.${target.slice(0, 100)}: ${problem}`
}

/** Why a text is no constraint; null when it is one. */
export function constraintProblem(constraint: string): string | null {
  try {
    parseConstraint(constraint)
    return null
  } catch (error) {
    return messageOf(error)
  }
}

function stringProblem(value: unknown, field: string): string | null {
  return isString(value) ? null : mustBe(field, 'a string')
}

function binProblem(value: unknown, field: string): string | null {
  const paths = isCollection(value) ? items(value) : [value]
  if (!paths.every(isString)) return mustBe(field, 'a string or a list of strings')
  return paths.some((path) => PARENT_SEGMENT.test(path)) ? `${field} must not contain ".." path segments` : null
}

function archiveProblem(value: unknown, field: string): string | null {
  const archive = asObject(value)
  if (archive === null) return null
  if (!isEmpty(archive.name) && !isString(archive.name)) return mustBe(`${field}.name`, 'a string')
  return isEmpty(archive.exclude) || isCollection(archive.exclude) ? null : mustBe(`${field}.exclude`, 'a list')
}

/** Custom places are not served, but Composer's own import refuses malformed ones, and so the lists stay equal. */
function locationProblem(value: unknown, field: string, required: readonly string[]): string | null {
  const location = asObject(value)
  const missing = required.find((key) => location?.[key] === undefined || location[key] === null)
  if (location === null || missing !== undefined) return `${field} must be an object with ${required.join(', ')}`
  const bad = ['type', 'url', 'shasum'].find(
    (key) => location[key] !== undefined && location[key] !== null && !isString(location[key]),
  )
  if (bad !== undefined) return mustBe(`${field}.${bad}`, 'a string')
  if (isCollection(location.reference)) return mustBe(`${field}.reference`, 'a string')
  const { mirrors } = location
  return mirrors === undefined || mirrors === null || isCollection(mirrors)
    ? null
    : mustBe(`${field}.mirrors`, 'a list')
}

function items(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value) : []
}

function isCollection(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

function isString(value: unknown): value is string {
  return typeof value === 'string'
}

function mustBe(field: string, kind: string): string {
  return `${field} must be ${kind}`
}
