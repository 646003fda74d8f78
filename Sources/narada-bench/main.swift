import ArgumentParser

/// What `tools/bench` measures with; not installed.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "narada-bench", subcommands: [Write.self, DurableAppend.self])
}

Bench.main()
