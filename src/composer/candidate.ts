import { hasControls } from '../printable.ts'
import type { CommitReading, ReadableManifest } from './commit-reader.ts'
import { constraintProblem } from './manifest-rules.ts'
import { normalizeBranch, normalizeVersion } from './version-parser.ts'

/** The version that a ref would give, before the package's name and other refs are considered. */
export interface VersionCandidate {
  /** Pretty form. */
  version: string
  normalized: string
  file: ReadableManifest
}

/** Why there is no version. */
export interface Refusal {
  /** One sentence. */
  readonly problem: string
  /** True when the name of the ref is the reason, whatever its commit has. */
  readonly isOfRef?: boolean
}

const DEV_SUFFIX = /[.-]?dev$/i
const DEV_MARKS = /^dev-|[.-]?dev$/gi

/** The version of a tag, or why it has none. Composer: tags in `VcsRepository::initialize`. */
export function readTag(name: string, reading: CommitReading): VersionCandidate | Refusal {
  const tag = name.replaceAll('release-', '')
  const fromTag = normalizeVersion(tag)
  if (fromTag === null) return { problem: `The tag name "${shown(name)}" is no version.`, isOfRef: true }
  if ('problem' in reading) return reading
  const { file } = reading
  const written = file.manifest.version
  const fromFile = written === undefined ? fromTag : normalizeVersion(written ?? '')
  if (fromFile === null) return { problem: 'The version in composer.json is no version.' }
  const version = (written ?? tag).replace(DEV_SUFFIX, '')
  const normalized = fromFile.replace(DEV_MARKS, '')
  if (normalized !== fromTag) return { problem: mismatch(name, fromTag, normalized) }
  return readable({ version, normalized, file })
}

/** The version of a branch, or why it has none. Composer: branches in `VcsRepository::initialize`. */
export function readBranch(name: string, reading: CommitReading): VersionCandidate | Refusal {
  // What the git driver leaves out: names that git would take for an option, and symbolic refs of remotes.
  if (name.startsWith('-') || /^[^/]+\/HEAD$/.test(name)) {
    return { problem: `Composer leaves out branches named like "${shown(name)}".`, isOfRef: true }
  }
  const plain = normalizeBranch(name)
  if (constraintProblem(plain) !== null) {
    return { problem: `The branch name "${shown(name)}" cannot be used as a version constraint.`, isOfRef: true }
  }
  if ('problem' in reading) return reading
  const isNamed = plain.startsWith('dev-')
  const normalized = isNamed ? plain.replaceAll('#', '+') : plain
  const version = isNamed
    ? `dev-${name.replaceAll('#', '+')}`
    : `${name.startsWith('v') ? 'v' : ''}${plain.replace(/(?:\.9{7})+/g, '.x')}`
  return readable({ version, normalized, file: reading.file })
}

/** Lock files keep the pretty form alone, so reading it again must give the same version. */
function readable(candidate: VersionCandidate): VersionCandidate | Refusal {
  const { version, normalized } = candidate
  if (hasControls(version)) return { problem: 'The version contains control characters.' }
  if (normalizeVersion(version) === normalized) return candidate
  return { problem: `Version "${shown(version)}" would be read back as another one from a lock file.` }
}

function mismatch(name: string, fromTag: string, fromFile: string): string {
  if (DEV_SUFFIX.test(fromTag) || fromTag.startsWith('dev-')) {
    return `The tag name "${shown(name)}" marks a development version; only branches can be one.`
  }
  return `The tag "${shown(name)}" (${fromTag}) does not match the version in composer.json (${shown(fromFile)}).`
}

function shown(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}
