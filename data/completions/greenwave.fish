# SPDX-License-Identifier: MIT
# fish completion of greenwave(1)

set -l commands run list watch status doctor help
set -l classes best-effort background excellent-effort audio-video voice control

complete -c greenwave -f
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -l help -d "Show how it is used"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -l version -d "Show the version"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -a run -d "Run a program in a traffic class"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -a list -d "Show the flows in force"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -a watch -d "Show flows as they come and go"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -a status -d "Show who serves this machine"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -a doctor -d "Test what this machine can do"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -a help -d "Show how a command is used"

complete -c greenwave -n "__fish_seen_subcommand_from run" -l class -x -a "$classes" -d "The traffic class"
complete -c greenwave -n "__fish_seen_subcommand_from run" -l rate -x -d "Limit what the program sends"
complete -c greenwave -n "__fish_seen_subcommand_from run" -l strict -d "Do not run the program unmarked"
complete -c greenwave -n "__fish_seen_subcommand_from run" -xa "(__fish_complete_subcommand --fcs-skip=2)"
complete -c greenwave -n "__fish_seen_subcommand_from list" -l all -d "Also flows whose socket is gone"
complete -c greenwave -n "__fish_seen_subcommand_from list watch status doctor" -l json -d "JSON"
complete -c greenwave -n "__fish_seen_subcommand_from help" -a "$commands"
