import type { CommitManifest, OfferedRef, RepositoryInput } from '../../src/composer/repository-versions.ts'

/** Reads with the git program what a sync would hand to `repositoryVersions`. */
export function readGitInput(path: string): RepositoryInput {
  const git = (args: string[], input = '') => {
    const run = Bun.spawnSync(['git', ...args], { cwd: path, stdin: new TextEncoder().encode(input) })
    if (!run.success) throw new Error(run.stderr.toString())
    return run.stdout
  }
  const format = '%(refname) %(objectname) %(*objectname)'
  const lines = git(['for-each-ref', `--format=${format}`, 'refs/heads', 'refs/tags'])
    .toString()
    .trim()
    .split('\n')
  const refs = lines.map((line): OfferedRef => {
    const [name = '', own = '', peeled = ''] = line.split(' ')
    const kind = name.startsWith('refs/tags/') ? 'tag' : 'branch'
    return { kind, name: name.replace(/^refs\/(tags|heads)\//, ''), commit: peeled || own }
  })
  const commits = [...new Set(refs.map((ref) => ref.commit))]
  const dates = git(['log', '--no-walk=unsorted', '--format=%H %ct', '--stdin'], `${commits.join('\n')}\n`).toString()
  const committedAt = new Map(dates.split('\n').map((line) => [line.slice(0, 40), Number(line.slice(41))]))
  const contents = catFiles(git(['cat-file', '--batch'], commits.map((commit) => `${commit}:composer.json\n`).join('')))
  const manifests = new Map<string, CommitManifest>()
  commits.forEach((commit, index) => {
    const file = contents[index] ?? null
    const blob = file === null ? {} : { blob: file.blob }
    manifests.set(commit, { committedAt: committedAt.get(commit) ?? 0, content: file?.content ?? null, ...blob })
  })
  const head = git(['symbolic-ref', '--short', 'HEAD']).toString().trim()
  return { refs, defaultBranch: head, manifests }
}

/** The answers of `git cat-file --batch`, null for missing objects. */
function catFiles(output: Uint8Array): ({ blob: string; content: Uint8Array } | null)[] {
  const files: ({ blob: string; content: Uint8Array } | null)[] = []
  for (let index = 0; index < output.length; ) {
    const end = output.indexOf(0x0a, index)
    const header = new TextDecoder().decode(output.subarray(index, end))
    const [blob = '', type, size] = header.split(' ')
    index = end + 1
    if (header.endsWith(' missing') || type === undefined) {
      files.push(null)
      continue
    }
    files.push({ blob, content: output.slice(index, index + Number(size)) })
    index += Number(size) + 1
  }
  return files
}
