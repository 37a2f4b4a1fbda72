import { UsageError } from './command.ts'

const text = { type: 'string' } as const

/** Options of `repository add` and `repository set` that set something other than address and credential. */
export const SETTING_OPTIONS = {
  archives: text,
  'package-filter': text,
  'composer-json-paths': text,
  'sync-interval': text,
  'expose-source': text,
  'package-deny': text,
  priority: text,
  'fresh-for': text,
  'stale-if-error': text,
  'minimum-release-age': text,
  'release-age-exceptions': text,
  'release-age-passes-fixes': text,
} as const

type Option = keyof typeof SETTING_OPTIONS

/** How the text of an option becomes the value of its field. */
const READ: { readonly [Name in Option]: (text: string, option: Name) => string | number | boolean | null } = {
  archives: (text) => text,
  'package-filter': globs,
  'composer-json-paths': globs,
  'sync-interval': (text, option) => (text === 'default' ? null : wholeNumber(text, option, ', or “default”')),
  'expose-source': yesOrNo,
  'package-deny': globs,
  priority: wholeNumber,
  'fresh-for': wholeNumber,
  'stale-if-error': wholeNumber,
  'minimum-release-age': wholeNumber,
  'release-age-exceptions': globs,
  'release-age-passes-fixes': yesOrNo,
}

/** The fields of the management API that the options given name. Throws UsageError. */
export function settings(values: { readonly [Name in Option]?: string | undefined }): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (const option of Object.keys(READ) as Option[]) {
    const value = values[option]
    if (value !== undefined) fields[option.replaceAll('-', '_')] = READ[option](value, option as never)
  }
  return fields
}

/** An empty text takes globs back. */
function globs(text: string): string | null {
  return text === '' ? null : text
}

function wholeNumber(text: string, option: Option, more = ''): number {
  if (!/^-?\d{1,9}$/.test(text)) throw new UsageError(`--${option} needs a whole number${more}.`)
  return Number(text)
}

function yesOrNo(text: string, option: Option): boolean {
  if (text !== 'true' && text !== 'false') throw new UsageError(`--${option} needs true or false.`)
  return text === 'true'
}
