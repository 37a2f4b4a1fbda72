/**
 * Opens a socket as a service manager does for a unit of type socket, and runs the program with it, again whenever it
 * ends. Prints the port, and the process and exit code of each run.
 */
const PROGRAM = `use Socket; use POSIX; $| = 1; $^F = 9; my $s; socket($s, AF_INET, SOCK_STREAM, 0) || die;
bind($s, pack_sockaddr_in(0, inet_aton("127.0.0.1"))) && listen($s, 4096) || die;
my ($port) = unpack_sockaddr_in(getsockname($s)); POSIX::dup2(fileno($s), 3) // die; print "port $port\\n";
while (1) { my $pid = fork();
  if (!$pid) { $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 1; exec(@ARGV); die }
  print "pid $pid\\n"; waitpid($pid, 0); print "code $pid " . ($? & 127 ? 128 + ($? & 127) : $? >> 8) . "\\n" }`

const PATIENCE_MS = 30_000

/** A service that is started with a socket which outlives it. */
export class SocketOwner {
  private output = ''
  stderr = ''

  private constructor(private readonly child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>) {}

  /** Opens the socket, and waits until the program listens on it. */
  static async start(program: string, cwd: string, env: Record<string, string>): Promise<SocketOwner> {
    const command = [Bun.which('perl') ?? 'perl', '-e', PROGRAM, program, 'serve']
    const child = Bun.spawn(command, { cwd, env, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
    const owner = new SocketOwner(child)
    void owner.read(child.stdout, (text) => {
      owner.output += text
    })
    void owner.read(child.stderr, (text) => {
      owner.stderr += text
    })
    await owner.listening(1)
    return owner
  }

  get url(): string {
    return `http://127.0.0.1:${/^port (\d+)$/m.exec(this.output)?.[1]}`
  }

  /** Process ids of the runs so far. */
  get pids(): number[] {
    return [...this.output.matchAll(/^pid (\d+)$/gm)].map((match) => Number(match[1]))
  }

  /** Waits until the program listens for the `times`th time. */
  async listening(times: number): Promise<void> {
    await this.until(() => this.output.split('"message":"listening"').length > times)
  }

  /** The exit code of a run, once it has ended. */
  async code(pid: number): Promise<number> {
    const line = () => new RegExp(`^code ${pid} (\\d+)$`, 'm').exec(this.output)?.[1]
    await this.until(() => line() !== undefined)
    return Number(line())
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.child.exited
    const last = this.pids.at(-1)
    if (last !== undefined) process.kill(last, 'SIGKILL')
  }

  private async until(holds: () => boolean): Promise<void> {
    const end = Date.now() + PATIENCE_MS
    while (!holds()) {
      if (Date.now() > end) throw new Error(`nothing more came after ${this.output}${this.stderr}`)
      await Bun.sleep(5)
    }
  }

  private async read(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder()
    for await (const chunk of stream) add(decoder.decode(chunk, { stream: true }))
  }
}
