# shellcheck shell=bash
# The systemd units of imgrec on a host. Sourced by setup.sh.

# Seconds of a time as imgrec's options take it: 500ms, 10s, 2m, 1h.
seconds_of() {
  case "$1" in
    *ms) echo 1 ;;
    *s) echo $((10#${1%s})) ;;
    *m) echo $((10#${1%m} * 60)) ;;
    *h) echo $((10#${1%h} * 3600)) ;;
    *) echo 60 ;;
  esac
}

# Everything that a service of ours can do without. What it needs beyond is in the two units below.
# The user is made up by systemd while the service runs: nobody logs in as it, nothing else is its.
hardening() {
  cat <<'EOF'
DynamicUser=yes
UMask=0077
CapabilityBoundingSet=
AmbientCapabilities=
NoNewPrivileges=yes
LockPersonality=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
EOF
}

# In a Debian 12 of its own, where the host is another system.
other_root() {  # ROOT
  [ -n "$1" ] || return 0
  cat <<EOF
RootDirectory=$1
MountAPIVFS=yes
BindReadOnlyPaths=/opt/imgrec/releases /opt/imgrec/models -/etc/hosts -/etc/resolv.conf
EOF
}

# Where a service of ours finds a secret that systemd hands to it alone. In full, for systemd knows %d,
# which stands for it, from version 250 on only, and before that drops the whole variable.
credential() {  # ROLE NAME
  echo "/run/credentials/imgrec-$1.service/$2"
}

# Without these variables a service asks nobody for a token, and says nothing of it.
print_secrets() {  # ROLE ACCESS: access-token, or nothing
  local role=$1 token_option=IMGREC_WORKER_TOKEN_FILE
  if [ "$role" = manager ]; then token_option=IMGREC_WORKERS_TOKEN_FILE; fi
  echo "$token_option=$(credential "$role" join-token)"
  if [ -n "$2" ]; then echo "IMGREC_HTTP_TOKEN_FILE=$(credential "$role" "$2")"; fi
}

# A restart is tried for ever: a worker whose manager is not up yet, or a manager whose disk is full,
# is to come back without anybody's help. Stopping has time for the drain, and more.
print_unit() {  # ROLE RELEASE ROOT DRAIN ACCESS: as above
  local role=$1 release=$2
  cat <<EOF
# Written by geni/imgrec-host.sh, which writes it again: change settings by its --set.
[Unit]
Description=imgrec $role
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=$release/bin/imgrec-$role
EnvironmentFile=/etc/imgrec/$role.env
$(printf 'LoadCredential=%s\n' join-token:/etc/imgrec/join-token ${5:+"$5:/etc/imgrec/$5"})
$(print_secrets "$role" "$5" | sed 's/^/Environment=/')
Restart=always
RestartSec=2
KillMode=mixed
TimeoutStopSec=$(($(seconds_of "$4") + 30))
LimitNOFILE=65536
$(if [ "$role" = manager ]; then
    printf '%s\n' StateDirectory=imgrec StateDirectoryMode=0700 MemoryDenyWriteExecute=yes
  else
    # oneDNN writes its kernels as it goes.
    echo MemoryDenyWriteExecute=no
  fi)
$(hardening)
$(other_root "$3")

[Install]
WantedBy=multi-user.target
EOF
}
