# SPDX-License-Identifier: MIT
# fish completion of greenwave(1)

set -l commands run list watch status doctor rsvp help
set -l signalled neighbours counters watch send receive trace ping
set -l classes best-effort background excellent-effort audio-video voice control

complete -c greenwave -f
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -l help -d "Show how it is used"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -l version -d "Show the version"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -a run -d "Run a program in a traffic class"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -a list -d "Show the flows in force"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -a watch -d "Show flows as they come and go"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -a status -d "Show who serves this machine"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -a doctor -d "Test what this machine can do"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -a rsvp -d "Show reservations, and signal some"
complete -c greenwave -n "not __fish_seen_subcommand_from $commands" -a help -d "Show how a command is used"

complete -c greenwave -n "__fish_seen_subcommand_from run" -l class -x -a "$classes" -d "The traffic class"
complete -c greenwave -n "__fish_seen_subcommand_from run" -l rate -x -d "Limit what the program sends"
complete -c greenwave -n "__fish_seen_subcommand_from run" -l strict -d "Do not run the program unmarked"
complete -c greenwave -n "__fish_seen_subcommand_from run" -xa "(__fish_complete_subcommand --fcs-skip=2)"
complete -c greenwave -n "__fish_seen_subcommand_from list" -l all -d "Also flows whose socket is gone"
complete -c greenwave -n "__fish_seen_subcommand_from list watch status doctor rsvp" -l json -d "JSON"
complete -c greenwave -n "__fish_seen_subcommand_from help" -a "$commands"

set -l in_rsvp "__fish_seen_subcommand_from rsvp"
complete -c greenwave -n "$in_rsvp; and not __fish_seen_subcommand_from $signalled" -a "$signalled"
set -l part "$in_rsvp; and __fish_seen_subcommand_from send receive"
complete -c greenwave -n "$in_rsvp; and __fish_seen_subcommand_from send receive ping" -l to -x -d "The session"
complete -c greenwave -n "$in_rsvp; and __fish_seen_subcommand_from send receive ping" -l from -x -d "The sender"
complete -c greenwave -n "$in_rsvp; and __fish_seen_subcommand_from send receive ping" -l protocol -x -a "udp tcp"
complete -c greenwave -n "$in_rsvp; and __fish_seen_subcommand_from send receive trace" -l interface -x -a "(__fish_print_interfaces)"
complete -c greenwave -n "$part" -l rate -x -d "The rate of the token bucket"
complete -c greenwave -n "$part" -l burst -x -d "Its depth in bytes"
complete -c greenwave -n "$part" -l peak -x -d "No faster than this"
complete -c greenwave -n "$part" -l min -x -d "Smaller packets count as this"
complete -c greenwave -n "$part" -l max -x -d "The largest packet"
complete -c greenwave -n "$part" -l duration -x -d "How long to stay"
set -l reserving "$in_rsvp; and __fish_seen_subcommand_from receive"
complete -c greenwave -n "$reserving" -l style -x -a "wf ff se"
complete -c greenwave -n "$reserving" -l service -x -a "controlled-load guaranteed"
complete -c greenwave -n "$reserving" -l reserve -x -d "What is reserved"
complete -c greenwave -n "$reserving" -l slack -x -d "How much more delay would do"
complete -c greenwave -n "$reserving" -l dscp -x -d "That senders are asked to mark with"
complete -c greenwave -n "$reserving" -l confirm -d "Ask to be told that it is in place"
complete -c greenwave -n "$in_rsvp; and __fish_seen_subcommand_from trace" -l count -x -d "End after so many messages"
complete -c greenwave -n "$in_rsvp; and __fish_seen_subcommand_from ping" -l hops -x -d "No farther than this"
