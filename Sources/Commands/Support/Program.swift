public import ArgumentParser
import Foundation
import JSONText
import Ledger

/// The version that `--version` prints.
let naradaVersion = "0.1.0"

/// Options that every command takes, before or behind its name.
struct GlobalOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The home: ledger and read models.", valueName: "dir"))
    var home: String?
    @Flag(help: "One JSON document on stdout; errors as JSON on stderr.")
    var json = false
    @Flag(help: "Say nothing but errors.")
    var quiet = false
    @Flag(help: "Say more on stderr.")
    var verbose = false
}

/// Parses, runs and ends a program: one place turns errors into messages and exit codes.
public func run(
    _ root: any ParsableCommand.Type,
    _ arguments: [String] = Array(CommandLine.arguments.dropFirst())
) -> Never {
    // An interrupt is an end like any other; a commit that is under way is finished first.
    signal(SIGINT) { _ in _exit(ExitStatus.interrupted.rawValue) }
    umask(0o077)  // A life is nobody else's to read.
    let isJSON = arguments.prefix { $0 != "--" }.contains("--json")
    var path = root._commandName
    do {
        try runWhole(try root.parseAsRoot(try globalsLast(root, arguments, &path)))
        exit(ExitStatus.done.rawValue)
    } catch let error where root.exitCode(for: error) == .success {
        Output.line(root.fullMessage(for: error))
        exit(ExitStatus.done.rawValue)
    } catch {
        let shown =
            root.exitCode(for: error) == .validationFailure
            ? NaradaError.usage(
                root.message(for: error).replacing("\n", with: " "),
                hint: "`\(path) --help` shows how.") : NaradaError(error)
        report(shown, isJSON: isJSON)
        exit(shown.status.rawValue)
    }
}

/// Runs a command to its end, also one that waits for services: the only bridge between the two worlds.
private func runWhole(_ command: any ParsableCommand) throws {
    guard let waiting = command as? any AsyncParsableCommand else {
        var command = command
        return try command.run()
    }
    let done = DispatchSemaphore(value: 0)
    nonisolated(unsafe) var command = waiting
    nonisolated(unsafe) var failure: (any Error)?
    Task.detached {
        do { try await command.run() } catch { failure = error }
        done.signal()
    }
    done.wait()
    if let failure { throw failure }
}

private func report(_ error: NaradaError, isJSON: Bool) {
    guard isJSON else { return Output.note("error: \(error.message); \(error.hint)") }
    let body = JSON.known([
        "code": .text(error.code), "message": .text(error.message), "hint": .text(error.hint),
        "exit": JSON(error.status.rawValue), "until": error.until.map { .text(ISOTime.text($0)) },
    ])
    Output.write(JSON.object([("error", body)]).bytes + [0x0A], to: 2)
}

/// Moves the options that stand before or between the command's names behind them, where the parser looks.
///
/// - Parameter path: The program's name; becomes the command as it is typed.
/// - Throws: Exit 64 for a name that is none, with those that may have been meant.
private func globalsLast(
    _ root: any ParsableCommand.Type, _ arguments: [String], _ path: inout String
) throws -> [String] {
    var rest = arguments[...]
    var names: [String] = []
    var globals: [String] = []
    var command = root
    while let first = rest.first {
        let subcommands = command.configuration.subcommands
        if ["--home", "--json", "--quiet", "--verbose"].contains(first)
            || first.hasPrefix("--home=")
        {
            let count = first == "--home" ? 2 : 1
            globals += rest.prefix(count)
            rest = rest.dropFirst(count)
        } else if let next = subcommands.first(where: { $0._commandName == first }) {
            names.append(first)
            path += " " + first
            command = next
            rest = rest.dropFirst()
        } else if subcommands.isEmpty || first.hasPrefix("-") || first == "help" {
            break
        } else {
            let known = subcommands.map { $0._commandName }
            throw NaradaError.usage(
                "'\(first)' is not a command of \(command._commandName)",
                hint: didYouMean(first, among: known)
                    ?? "it takes \(known.joined(separator: ", ")).")
        }
    }
    // A group by itself prints its help, which takes no other options.
    if rest.isEmpty, !command.configuration.subcommands.isEmpty { return names }
    let split = rest.firstIndex(of: "--") ?? rest.endIndex
    return names + rest[..<split] + globals + rest[split...]
}
