import { autoloadProblem } from '../composer/autoload-rules.ts'
import { branchAlias, DEFAULT_BRANCH_ALIAS } from '../composer/branch-alias.ts'
import { jsonValue, type RawFields } from '../composer/json.ts'
import { isEmpty } from '../composer/manifest.ts'
import { constraintProblem, fieldProblem, linksToOwnVersion, RULED_FIELDS } from '../composer/manifest-rules.ts'
import { normalizeVersion } from '../composer/version-parser.ts'
import { messageOf } from '../errors.ts'

/** Fields that clients use as texts, beside those of a composer.json; the last one even when it is empty. */
const TEXTS = ['time', 'notification-url', 'installation-source']

/**
 * Says of the versions of one package whether a client can load them: one that it cannot load breaks its whole command,
 * whatever version is wanted. Neighbours have most of their fields in common, and each text is looked at once.
 * Composer: `ComposerRepository::loadAsyncPackages`, `ArrayLoader::loadPackages`.
 */
export class VersionRules {
  private readonly known = new Map<string, Map<string, string | null>>()

  /** `name`: lower-case full name of the package. */
  constructor(private readonly name: string) {}

  /** Why clients cannot load a complete version, as one sentence; null when they can. */
  problem(fields: RawFields): string | null {
    return (
      this.identityProblem(fields) ??
      firstOf(RULED_FIELDS, (field) => this.remembered(field, fields.get(field), (raw) => fieldProblem(field, raw))) ??
      this.autoloadProblem(fields) ??
      firstOf(TEXTS, (field) => textProblem(field, fields.get(field))) ??
      ownVersionProblem(fields) ??
      aliasProblem(fields)
    )
  }

  private identityProblem(fields: RawFields): string | null {
    const name = textOf(fields.get('name'))
    if (name === null) return 'it has no name'
    if (name.toLowerCase() !== this.name) return `it names another package, "${name.slice(0, 200)}"`
    const version = textOf(fields.get('version'))
    if (version === null) return 'it has no version'
    return normalizedVersion(fields) === null ? `"${version.slice(0, 200)}" is no version` : null
  }

  private autoloadProblem(fields: RawFields): string | null {
    const target = jsonValue(fields.get('target-dir'))
    const check = (raw: string) => autoloadProblem(jsonValue(raw), target)
    return this.remembered(`autoload in ${target}`, fields.get('autoload'), check)
  }

  private remembered(about: string, raw: string | undefined, check: (raw: string) => string | null): string | null {
    if (raw === undefined) return null
    const answers = this.known.get(about) ?? new Map<string, string | null>()
    const known = answers.get(raw)
    if (known !== undefined) return known
    const answer = check(raw)
    this.known.set(about, answers.set(raw, answer))
    return answer
  }
}

/** The comparable form of a version as clients take it: given, or else made of the pretty one. Null when it has none. */
export function normalizedVersion(fields: RawFields): string | null {
  const given = textOf(fields.get('version_normalized'))
  if (given !== null && given !== DEFAULT_BRANCH_ALIAS) return given
  return normalizeVersion(textOf(fields.get('version')) ?? '')
}

/** The value of a field that is a text with something in it; null for any other. */
export function textOf(raw: string | undefined): string | null {
  const value = raw?.startsWith('"') === true ? JSON.parse(raw) : null
  return typeof value === 'string' && value !== '' ? value : null
}

function firstOf(fields: readonly string[], check: (field: string) => string | null): string | null {
  for (const field of fields) {
    const problem = check(field)
    if (problem !== null) return problem
  }
  return null
}

function textProblem(field: string, raw: string | undefined): string | null {
  if (raw === undefined || raw === 'null' || raw.startsWith('"')) return null
  return field !== 'installation-source' && isEmpty(jsonValue(raw)) ? null : `${field} must be a string`
}

function ownVersionProblem(fields: RawFields): string | null {
  if (![...fields.values()].some((raw) => raw.includes('self.version')) || !linksToOwnVersion(fields)) return null
  const problem = constraintProblem(textOf(fields.get('version')) ?? '')
  return problem === null ? null : `self.version: ${problem}`
}

function aliasProblem(fields: RawFields): string | null {
  const defaultBranch = fields.get('default-branch') === 'true'
  try {
    branchAlias({ version: textOf(fields.get('version')) ?? '', defaultBranch, extra: jsonValue(fields.get('extra')) })
    return null
  } catch (error) {
    return messageOf(error)
  }
}
