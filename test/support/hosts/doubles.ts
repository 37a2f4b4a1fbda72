import { BitbucketCloudDouble } from './bitbucket-cloud-double.ts'
import { BitbucketDataCenterDouble } from './bitbucket-data-center-double.ts'
import { GiteaDouble } from './gitea-double.ts'
import { GithubDouble } from './github-double.ts'
import { GitlabDouble } from './gitlab-double.ts'
import type { HostDouble } from './host-double.ts'

/** The stand-in of every host. */
export const DOUBLES: readonly (new () => HostDouble)[] = [
  GithubDouble,
  GitlabDouble,
  GiteaDouble,
  BitbucketCloudDouble,
  BitbucketDataCenterDouble,
]
