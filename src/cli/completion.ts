/** `skewflow completion`: a script that completes commands and options in bash, zsh or fish. */
import { Argument, Command } from 'commander';
import { listExamples } from '../index.ts';

interface Words {
  readonly name: string;
  readonly description: string;
  readonly options: readonly {
    readonly flag: string;
    readonly description: string;
    readonly choices: readonly string[];
  }[];
  readonly takesFile: boolean;
  /** What its first argument may be, where that is a fixed list. */
  readonly values: readonly string[];
}

export function completionCommand(program: () => Command): Command {
  return new Command('completion')
    .description('print a completion script: eval "$(skewflow completion bash)"')
    .addArgument(new Argument('<shell>').choices(['bash', 'fish', 'zsh']))
    .action(async (shell: 'bash' | 'fish' | 'zsh') => {
      const examples = (await listExamples()).map((example) => example.name);
      process.stdout.write(scripts[shell](program().commands.map((command) => wordsOf(command, examples))));
    });
}

function wordsOf(command: Command, examples: readonly string[]): Words {
  const [first] = command.registeredArguments;
  return {
    name: command.name(),
    description: command.description(),
    options: command.options.map((o) => ({
      flag: o.long ?? o.flags,
      description: o.description,
      choices: o.argChoices ?? [],
    })),
    takesFile: first?.name() === 'job',
    values: first?.name() === 'example' ? examples : (first?.argChoices ?? []),
  };
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const scripts = {
  bash: (commands: readonly Words[]) => `# skewflow completion for bash
_skewflow() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]}
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map((c) => c.name).join(' ')} --help --version" -- "$word")); return
  fi
  case "$command $before" in
${choices(commands)
  .map(
    ([c, flag, list]) =>
      `    "${c} ${flag}") COMPREPLY=($(compgen -W "${list.join(' ')}" -- "$word")); return ;;`,
  )
  .join('\n')}
  esac
  case "$command" in
${commands
  .map((c) => {
    const flags = `compgen -W "${c.options.map((o) => o.flag).join(' ')} --help" -- "$word"`;
    const words = c.takesFile ? '-f' : `-W "${c.values.join(' ')}"`;
    return `    ${c.name}) case "$word" in -*) COMPREPLY=($(${flags})) ;; *) COMPREPLY=($(compgen ${words} -- "$word")) ;; esac ;;`;
  })
  .join('\n')}
  esac
}
complete -o filenames -F _skewflow skewflow
`,

  fish: (commands: readonly Words[]) =>
    `# skewflow completion for fish
${commands.map((c) => `complete -c skewflow -n __fish_use_subcommand -f -a ${c.name} -d ${quoted(c.description)}`).join('\n')}
${commands
  .filter((c) => c.values.length > 0)
  .map(
    (c) =>
      `complete -c skewflow -n '__fish_seen_subcommand_from ${c.name}' -f -a ${quoted(c.values.join(' '))}`,
  )
  .join('\n')}
${commands
  .flatMap((c) =>
    c.options.map(
      (o) =>
        `complete -c skewflow -n '__fish_seen_subcommand_from ${c.name}' -l ${o.flag.replace(/^--/, '')} -d ${quoted(o.description)}${
          o.choices.length === 0 ? '' : ` -x -a ${quoted(o.choices.join(' '))}`
        }`,
    ),
  )
  .join('\n')}
`,

  zsh: (commands: readonly Words[]) => `#compdef skewflow
# skewflow completion for zsh
_skewflow() {
  local -a commands
  commands=(
${commands.map((c) => `    ${quoted(`${c.name}:${c.description.replaceAll(':', '\\:')}`)}`).join('\n')}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  case $words[2] in
${commands
  .map((c) => {
    const options = c.options.map((o) =>
      quoted(
        `${o.flag}[${o.description.replaceAll('[', '(').replaceAll(']', ')')}]${o.choices.length === 0 ? '' : `:choice:(${o.choices.join(' ')})`}`,
      ),
    );
    const argument = c.takesFile
      ? ["'*:job file:_files'"]
      : c.values.length > 0
        ? [quoted(`1:${c.name}:(${c.values.join(' ')})`)]
        : [];
    return `    ${c.name}) _arguments ${[...options, ...argument].join(' ')} ;;`;
  })
  .join('\n')}
  esac
}
compdef _skewflow skewflow
`,
} as const;

/** Every option with a fixed list of values: command, flag, values. */
function choices(commands: readonly Words[]): [string, string, readonly string[]][] {
  return commands.flatMap((c) =>
    c.options
      .filter((o) => o.choices.length > 0)
      .map((o): [string, string, readonly string[]] => [c.name, o.flag, o.choices]),
  );
}
