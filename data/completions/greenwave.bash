# SPDX-License-Identifier: MIT
# bash completion of greenwave(1)

_greenwave() {
	local classes="best-effort background excellent-effort audio-video voice control"
	local commands="run forward list watch status doctor probe rsvp help"
	local signalled="neighbours counters watch send receive trace ping"
	local part="--to --protocol --from --interface --rate --burst --peak --min --max --duration --json --help"
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} i

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$current")
		return
	fi
	case $command in
	run)
		# Behind -- or the first word that belongs to no option it is the program's turn.
		for ((i = 2; i < COMP_CWORD; i++)); do
			case ${COMP_WORDS[i]} in
			--)
				i=$((i + 1))
				break
				;;
			--class | --rate) i=$((i + 1)) ;;
			-*) ;;
			*) break ;;
			esac
		done
		if ((i < COMP_CWORD)) && declare -F _command_offset >/dev/null; then
			_command_offset "$i"
		elif ((i == COMP_CWORD)) && [[ $previous == -- ]]; then
			mapfile -t COMPREPLY < <(compgen -c -- "$current")
		elif [[ $previous == --class ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$classes" -- "$current")
		elif [[ $previous == --rate ]]; then
			:
		elif [[ $current == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "--class --rate --strict --help --" -- "$current")
		else
			mapfile -t COMPREPLY < <(compgen -c -- "$current")
		fi
		;;
	list)
		mapfile -t COMPREPLY < <(compgen -W "--all --json --help" -- "$current")
		;;
	watch | status | doctor)
		mapfile -t COMPREPLY < <(compgen -W "--json --help" -- "$current")
		;;
	probe)
		if [[ $previous == --time || $previous == --interval ]]; then
			:
		elif [[ $current == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W "--time --interval -4 -6 --json --help" -- "$current")
		else
			mapfile -t COMPREPLY < <(compgen -A hostname -- "$current")
		fi
		;;
	rsvp)
		case $previous in
		--style) mapfile -t COMPREPLY < <(compgen -W "wf ff se" -- "$current") && return ;;
		--service) mapfile -t COMPREPLY < <(compgen -W "controlled-load guaranteed" -- "$current") && return ;;
		--protocol) mapfile -t COMPREPLY < <(compgen -W "udp tcp" -- "$current") && return ;;
		esac
		if ((COMP_CWORD == 2)); then
			mapfile -t COMPREPLY < <(compgen -W "$signalled --json --help" -- "$current")
			return
		fi
		case ${COMP_WORDS[2]} in
		send) mapfile -t COMPREPLY < <(compgen -W "$part" -- "$current") ;;
		receive)
			mapfile -t COMPREPLY < <(compgen -W "$part --style --service --reserve --slack --dscp --confirm" -- "$current")
			;;
		trace) mapfile -t COMPREPLY < <(compgen -W "--interface --count --json --help" -- "$current") ;;
		ping) mapfile -t COMPREPLY < <(compgen -W "--to --from --protocol --hops --json --help" -- "$current") ;;
		*) mapfile -t COMPREPLY < <(compgen -W "--json --help" -- "$current") ;;
		esac
		;;
	help)
		mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
		;;
	esac
}

complete -F _greenwave greenwave
