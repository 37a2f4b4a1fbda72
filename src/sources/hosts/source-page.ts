import type { HostType } from './host-credential.ts'
import { hostAddress } from './open-host.ts'
import { refShortName } from './paging.ts'

/** A tag or branch at its commit; `name` is the full ref name, or the commit again. */
export interface PagedRef {
  readonly name: string
  readonly commit: string
}

/** The page of the files of a version, below the page of its repository (Composer: the drivers' getComposerInformation). */
export type SourcePage = (webUrl: string, ref: PagedRef) => string

export const githubPage: SourcePage = (webUrl, ref) => `${webUrl}/tree/${refShortName(ref)}`

export const gitlabPage: SourcePage = (webUrl, ref) => `${webUrl}/-/tree/${refShortName(ref)}`

export const giteaPage: SourcePage = (webUrl, ref) => {
  const kind = /^refs\/(tag|head)s\//.exec(ref.name)?.[1]
  const segment = kind === undefined ? 'commit' : kind === 'tag' ? 'tag' : 'branch'
  return `${webUrl}/src/${segment}/${refShortName(ref)}`
}

export const bitbucketCloudPage: SourcePage = (webUrl, { name, commit }) => {
  const label = /^refs\/(?:tags|heads)\/(.+)$/.exec(name)?.[1]
  return label === undefined ? `${webUrl}/src` : `${webUrl}/src/${commit}/?at=${label}`
}

export const bitbucketDataCenterPage: SourcePage = (webUrl, { name }) =>
  `${webUrl}/browse?at=${encodeURIComponent(name)}`

/** How the host of a repository with this address names such pages. */
export function sourcePageOf(host: HostType, url: string): SourcePage {
  if (host === 'bitbucket') return hostAddress(host, url).cloud ? bitbucketCloudPage : bitbucketDataCenterPage
  return { github: githubPage, gitlab: gitlabPage, gitea: giteaPage }[host]
}
