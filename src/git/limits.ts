/** Bounds on what a server may make this client hold or do. Sizes are bytes. */
export interface GitLimits {
  /** One answer with a pack. */
  packBytes: number
  /** The same for files that are fetched by themselves. */
  filePackBytes: number
  /** Objects in one pack. */
  objects: number
  /** One inflated object. */
  objectBytes: number
  /** All inflated objects of one pack together. */
  inflatedBytes: number
  /** Deltas between an object and the whole object that its chain begins with. */
  deltaDepth: number
  /** Inflated bytes along one chain of deltas: what reading one object costs. */
  deltaChainBytes: number
  /** Refs that a server may list. */
  refs: number
  /** Bytes of the list of refs. */
  refBytes: number
  /** A file that is read at many commits; a larger one is reported as too large. */
  fileBytes: number
  /** Files that globs may name in one commit. */
  globFiles: number
  /** The same in all commits of one reading together. */
  globFilesInAll: number
  /** Directories below one another that globs are followed into. */
  globDepth: number
  /** Different directories that globs may lead into in one request for many commits; more are asked for in parts. */
  globDirectories: number
  /** Entries of one commit's trees, walked for a snapshot. */
  treeEntries: number
  /** Directories below one another. */
  treeDepth: number
  /** One path. */
  pathBytes: number
  /** One `.gitattributes` file. */
  attributesBytes: number
  /** Comparisons of patterns with paths for one snapshot. */
  attributeSteps: number
}

const MIB = 1024 * 1024

/** Generous for real packages; the largest of them stay under a tenth of each bound. */
export const DEFAULT_GIT_LIMITS: Readonly<GitLimits> = {
  packBytes: 512 * MIB,
  filePackBytes: 64 * MIB,
  objects: 1_000_000,
  objectBytes: 128 * MIB,
  inflatedBytes: 4096 * MIB,
  deltaDepth: 4095,
  deltaChainBytes: 512 * MIB,
  refs: 100_000,
  refBytes: 64 * MIB,
  fileBytes: MIB,
  globFiles: 500,
  globFilesInAll: 500_000,
  globDepth: 20,
  globDirectories: 200_000,
  treeEntries: 200_000,
  treeDepth: 200,
  pathBytes: 4096,
  attributesBytes: MIB,
  attributeSteps: 200_000_000,
}
