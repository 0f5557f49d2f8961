"""`beholder completion bash`: what makes a shell complete commands, settings and choices with the tab key.

Each shell's script hands over the line up to the cursor (`beholder __complete LINE`), and is given candidates for the last word.
"""

from dataclasses import dataclass
from typing import ClassVar

from beholder import command_index
from beholder.command_index import OPTIONS
from beholder.config import required
from beholder.errors import BeholderError, ConfigError, UnknownCommand, nearest
from beholder.runs import Run

# Each script hands over the line up to the cursor, and takes files where a value is being typed for which there are no candidates.
# bash breaks words at = and :, so what stands before the last one is cut off from what it is given.
SCRIPTS = {
    "bash": r"""# beholder completion for bash: eval "$(beholder completion bash)" in ~/.bashrc
_beholder() {
    local line=${COMP_LINE:0:COMP_POINT} word found
    word=${line##*[[:space:]]}
    COMPREPLY=()
    while IFS= read -r found; do
        [[ -n $found ]] && COMPREPLY+=("$found")
    done < <("${COMP_WORDS[0]}" __complete "${line#*[[:space:]]}" 2> /dev/null)
    local cut=""
    [[ $word == *=* && $COMP_WORDBREAKS == *=* ]] && cut=${word%"${word##*[=:]}"}
    if [[ ${#COMPREPLY[@]} -eq 0 && $word == *=* ]]; then
        compopt -o filenames 2> /dev/null
        while IFS= read -r found; do COMPREPLY+=("$found"); done < <(compgen -f -- "${word#*=}")
        return
    fi
    COMPREPLY=("${COMPREPLY[@]#"$cut"}")
}
complete -o nospace -F _beholder beholder
""",
    "zsh": r"""#compdef beholder
# beholder completion for zsh: eval "$(beholder completion zsh)" in ~/.zshrc, after compinit
_beholder() {
    local -a found spaced
    local each word=${words[CURRENT]}
    for each in "${(@f)$(beholder __complete "${(j: :)words[2,CURRENT]}" 2> /dev/null)}"; do
        [[ -z $each ]] && continue
        if [[ $each == *' ' ]]; then spaced+=("${each% }"); else found+=("$each"); fi
    done
    (( $#found )) && compadd -S '' -- "${found[@]}"
    (( $#spaced )) && compadd -- "${spaced[@]}"
    if (( ! $#found && ! $#spaced )) && [[ $word == *=* ]]; then
        compset -P '*='
        _files
    fi
}
compdef _beholder beholder
""",
    "fish": r"""# beholder completion for fish: beholder completion fish > ~/.config/fish/completions/beholder.fish
function __beholder_complete
    set -l line (commandline -cp)
    set -l found (beholder __complete (string replace -r '^\S+\s+' '' -- "$line") 2> /dev/null | string trim -r)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        set -l word (commandline -ct)
        if string match -q '*=*' -- $word
            set -l name (string replace -r '=.*' '=' -- $word)
            for file in (__fish_complete_path (string replace -r '^[^=]*=' '' -- $word) | string replace -r '\t.*' '')
                echo $name$file
            end
        end
    end
end
complete -c beholder -f -a '(__beholder_complete)'
""",
}


@dataclass(frozen=True)
class CompletionSettings:
    positional: ClassVar[tuple[str, ...]] = ("shell",)
    examples: ClassVar[tuple[str, ...]] = (
        'eval "$(beholder completion bash)"',
        "beholder completion zsh",
        "beholder completion fish > ~/.config/fish/completions/beholder.fish",
    )
    run_folder: ClassVar[str] = "never"
    shell: str = required(f"which shell: {', '.join(SCRIPTS)}")

    def __post_init__(self) -> None:
        if self.shell not in SCRIPTS:
            raise ConfigError(f"shell={self.shell} is not known{nearest(self.shell, list(SCRIPTS))}")


def main(settings: CompletionSettings, run: Run) -> None:
    print(SCRIPTS[settings.shell], end="")


def candidates(line: str) -> list[str]:
    """Return what the last word of a line, typed after `beholder `, may become. A candidate that is whole ends in a space."""
    *before, word = line.split(" ") if line else [""]
    before = [each for each in before if each]
    known = command_index.commands()
    try:
        command, typed = command_index.match([*before])
    except (IndexError, UnknownCommand):
        command, typed = None, before
    found = []
    if command is None or not typed:
        at = len(before)
        names = [name.split() for name in known] + ([] if before else [["help"], ["version"]])
        found += [f"{words[at]} " for words in names if len(words) > at and words[:at] == before and words[at].startswith(word)]
    if command is not None:
        found += _settings(command.name, {each.partition("=")[0] for each in typed}, word)
    return sorted(dict.fromkeys(found))


def _settings(name: str, typed: set[str], word: str) -> list[str]:
    """Return the settings, and values of choices and switches, that a word may become."""
    if word.startswith("-"):
        options = [option for line in OPTIONS for option in line.split(", ")]
        return [f"{option} " for option in options if option.startswith(word)]
    try:
        about = command_index.reference(name)
    except BeholderError:
        return []
    key, equals, value = word.partition("=")
    if equals:
        spec = next((spec for spec in about.settings if spec.key == key), None)
        values = () if spec is None else ("true", "false") if spec.kind == "bool" else spec.choices
        return [f"{key}={each} " for each in values if each.startswith(value)]
    keys = [spec.key for spec in about.settings if spec.key.startswith(word) and spec.key not in typed]
    if not word:
        keys = [key for key in about.common if key not in typed]
    return [f"{key}=" for key in _shortened(keys, word)]


def _shortened(keys: list[str], word: str) -> list[str]:
    """Return keys up to their next dot after what is typed, where several go on from there; whole where one does."""
    depth = word.count(".")
    heads: dict[str, list[str]] = {}
    for key in keys:
        heads.setdefault(".".join(key.split(".")[: depth + 1]), []).append(key)
    return [key for head, group in heads.items() for key in ([head] if head in group else [])] + [
        key for head, group in heads.items() if head not in group for key in group
    ]
