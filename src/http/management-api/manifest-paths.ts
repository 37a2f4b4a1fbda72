import { t } from 'elysia'
import { isAppError } from '../../errors.ts'
import { manifestGlobs } from '../../sources/manifest-paths.ts'
import { wrongField } from './request-body.ts'

/** The field `composer_json_paths` of a body. */
export const ManifestPaths = t.Optional(
  t.Union([t.String({ maxLength: 10_100 }), t.Null()], {
    description:
      'comma-separated globs of the composer.json files that are packages, each of its directory, like packages/*/composer.json; or null, for the one at the root',
  }),
)

/** The globs as given, checked; null for none. Throws AppError('invalid') with `details.fields`. */
export function checkedManifestPaths(text: string | null | undefined): string | null {
  try {
    manifestGlobs(text ?? null)
    return text ?? null
  } catch (error) {
    throw isAppError(error, 'invalid') ? wrongField('composer_json_paths', error.message) : error
  }
}

/** Throws AppError('invalid') for globs where there are no commits to look into. */
export function refuseManifestPaths(text: string | null | undefined, vcsType: string): void {
  if ((text ?? null) !== null) throw wrongField('composer_json_paths', `has no meaning for vcs_type ${vcsType}`)
}
