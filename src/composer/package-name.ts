import { lowerAscii } from './php-text.ts'

/** Longest package name that is accepted, in characters. Composer has no bound; file systems and URLs do. */
export const MAX_PACKAGE_NAME_LENGTH = 200

const GRAMMAR = /^[a-z0-9](?:[_.-]?[a-z0-9])*\/[a-z0-9](?:(?:[_.]|-{1,2})?[a-z0-9])*$/
const PLATFORM =
  /^(?:php(?:-64bit|-ipv6|-zts|-debug)?|hhvm|(?:ext|lib)-[a-z0-9](?:[_.-]?[a-z0-9])*|composer(?:-(?:plugin|runtime)-api)?)$/
/** Names Windows keeps for devices; a directory of that name cannot be made there. */
const DEVICE = /^(?:nul|con|prn|aux|com[1-9]|lpt[1-9])$/

/**
 * Why a text is no package name, as a sentence; null when it is one. Upper case is no problem: names are folded.
 * Composer: `ValidatingArrayLoader::hasPackageNamingError`, which clients apply to every package they lock.
 */
export function packageNameProblem(text: string): string | null {
  if (text.length > MAX_PACKAGE_NAME_LENGTH) {
    return `a package name may have at most ${MAX_PACKAGE_NAME_LENGTH} characters`
  }
  const name = lowerAscii(text)
  if (isPlatformPackage(name)) return `"${text}" is the name of a platform package and cannot be served by a repository`
  if (!GRAMMAR.test(name)) {
    return `"${text}" is no package name: it must be vendor/name, words of a-z and 0-9 joined by single "-", "." or "_"`
  }
  if (name.split('/').some((half) => DEVICE.test(half))) return `"${text}" contains a device name that Windows reserves`
  if (name.endsWith('.json')) return `"${text}" is no package name: it must not end in ".json"`
  return null
}

/** True for `php`, `ext-json`, `lib-curl`, `composer-runtime-api` and the like. Composer: `isPlatformPackage`. */
export function isPlatformPackage(name: string): boolean {
  return PLATFORM.test(lowerAscii(name))
}
