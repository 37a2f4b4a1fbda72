/** For sysusers.d(5): the user and group that the unit names. */
export const SYSUSERS = `# Made by “package-broker systemd --sysusers”.
u package-broker - "package-broker" /var/lib/package-broker -`

/** For systemd.socket(5): the socket that stays open, and lets clients wait, while the service is started again. */
export const SOCKET_UNIT = `# Made by “package-broker systemd --socket”. HOST and PORT of the service do not count beside it.
[Unit]
Description=Socket of package-broker

[Socket]
ListenStream=8080
Backlog=4096
NoDelay=yes

[Install]
WantedBy=sockets.target`

/**
 * The unit for systemd.service(5). Left open on purpose: the network, memory that is made executable (the compiler of
 * Bun's runtime needs it), and the file system for reading.
 */
export function unitFor(executable: string): string {
  return `# Made by “package-broker systemd”. Change it with “systemctl edit package-broker”.
[Unit]
Description=package-broker, a private Composer repository
After=network-online.target
Wants=network-online.target
# Whatever it waits for may take longer than ten attempts.
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=${quoted(executable)} serve
User=package-broker
Group=package-broker
${SETTINGS}
${LIFE}
${HARDENING}

[Install]
WantedBy=multi-user.target`
}

/** ExecStart= as systemd reads it: percent signs are specifiers, dollar signs variables. */
function quoted(path: string): string {
  const text = path.replaceAll('%', '%%').replaceAll('$', () => '$$')
  return /^[\w./%$+@:-]+$/.test(text) ? text : `"${text.replace(/[\\"]/g, '\\$&')}"`
}

const SETTINGS = `
# Variables, one NAME=value a line. Not for secrets.
EnvironmentFile=-/etc/package-broker/environment
Environment=DATA_DIR=%S/package-broker
# The native part of the database is unpacked and loaded from here: it must allow execution, which /tmp and /run may not.
Environment=TMPDIR=%C/package-broker BUN_TMPDIR=%C/package-broker
# Secrets, where there are any, from /etc/credstore (systemd 252); older ones need an absolute path here.
LoadCredential=ENCRYPTION_KEY:package-broker.encryption-key
LoadCredential=ADMIN_TOKEN:package-broker.admin-token
LoadCredential=DATABASE_AUTH_TOKEN:package-broker.database-auth-token
StateDirectory=package-broker
StateDirectoryMode=0700
CacheDirectory=package-broker
CacheDirectoryMode=0700
ConfigurationDirectory=package-broker
ConfigurationDirectoryMode=0750
UMask=0077`

const LIFE = `
Restart=on-failure
RestartSec=2
# Wrong configuration, and what has to be changed before another start helps. 75 is tried again.
RestartPreventExitStatus=2 78
KillMode=mixed
# Transfers get 30 seconds.
TimeoutStopSec=40
# A long migration.
TimeoutStartSec=15min
WatchdogSec=60
LimitNOFILE=65536
LimitCORE=0
TasksMax=512
MemoryHigh=768M
MemoryMax=1G`

const HARDENING = `
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
PrivateIPC=yes
ProtectHostname=yes
ProtectClock=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectProc=invisible
ProcSubset=pid
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
DevicePolicy=closed
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources @mount @debug @cpu-emulation @obsolete @raw-io @reboot @swap @module @clock
SystemCallErrorNumber=EPERM`
