import ArgumentParser
import Foundation
import JSONText
import Ledger
import Music
import Workflows

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run a workflow.",
        discussion: "Example: narada-cmd run sort_by_plays.json --param playlist=Morning")
    @OptionGroup var options: WriteOptions
    @Argument(help: "The workflow's JSON document.") var workflow: String
    @Option(help: "A parameter's value, as name=value.") var param: [String] = []
    @Option(help: "What randomness is drawn from; else a number at random.") var seed: Int64?
    @Flag(help: "Say what would be written and append, fetch and write nothing.") var dryRun = false

    func validate() throws {
        guard param.allSatisfy({ $0.contains("=") }) else {
            throw ValidationError("--param takes name=value.")
        }
        guard (0..<1 << 53).contains(seed ?? 0) else {
            throw ValidationError("--seed takes a number from 0 on, below 2^53.")
        }
    }

    func run() async throws {
        let parameters = param.map {
            $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        }
        let plan = try plan(
            workflow, Dictionary(parameters.map { (String($0[0]), String($0[1])) }) { $1 },
            options.globals)
        let session = try Session(writing: options, task: "run", creating: false)
        let outcome = try await session.talking {
            try await WorkflowRun.run(
                plan, in: World(session), on: try streamName("workflow:\(session.run)"),
                seed: seed ?? Int64.random(in: 0..<1 << 53), startedAtMS: session.clock.now,
                isDry: dryRun)
        }
        let written = outcome.playlist.map { ", \($0)" } ?? ""
        try session.answer(
            [("playlist", JSON(outcome.playlist)), ("count", JSON(outcome.count))]
                + (dryRun ? [("would", .array(outcome.left.map(\.json)))] : []),
            text: dryRun
                ? "would do " + outcome.left.map(\.text).joined(separator: "; ")
                : "'\(plan.workflow.name)': \(Output.count(outcome.count, "row"))\(written)")
    }
}

struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Check a workflow; every fault is named.")
    @OptionGroup var globals: GlobalOptions
    @Argument(help: "The workflow's JSON document.") var workflow: String

    func run() throws {
        let workflow = try plan(workflow, nil, globals).workflow
        let names = workflow.parameters.map(\.name)
        guard globals.json else {
            return Output.line(
                Output.safe(
                    "'\(workflow.name)' is in order: \(Output.count(workflow.tasks.count, "task"))"
                        + (names.isEmpty ? "" : "; it takes \(names.joined(separator: ", "))")))
        }
        Output.json([
            "id": .text(workflow.id), "name": .text(workflow.name),
            "tasks": JSON(workflow.tasks.count), "parameters": .texts(names),
        ])
    }
}

struct NodesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nodes", abstract: "List the kinds of nodes that workflows are made of.")
    @OptionGroup var globals: GlobalOptions
    @Flag(help: "The JSON Schema of a workflow's document.") var schema = false

    func run() throws {
        if schema { return Output.json(NodeRegistry.schema) }
        if globals.json { return Output.json(.array(NodeRegistry.kinds.map(\.json))) }
        Output.table(
            ["TYPE", "CONFIG", "MEANING"],
            NodeRegistry.kinds.map { kind in
                let fields = kind.fields.map { $0.name + ($0.isRequired ? "*" : "") }
                return [kind.type, fields.joined(separator: ", "), kind.meaning]
            })
    }
}

/// Reads a workflow's document and checks it.
///
/// - Parameter parameters: Nil to check the document alone.
private func plan(_ path: String, _ parameters: [String: String]?, _ globals: GlobalOptions) throws
    -> WorkflowPlan
{
    let bytes = try input(FileHandle(forReadingAtPath: path), path, atMost: 1 << 20)
    do {
        return try Workflow(Array(bytes)).plan(parameters)
    } catch {
        let faults = error.faults.map { fault in
            "\(fault)" + (didYouMean(fault.unknown, among: fault.choices).map { "; \($0)" } ?? "")
        }
        if !globals.json, faults.count > 1 { for fault in faults { Output.note(fault) } }
        throw NaradaError.badInput(
            globals.json || faults.count == 1
                ? "\(path): \(faults.joined(separator: "; "))"
                : "\(path) has \(faults.count) faults",
            hint:
                "mend \(faults.count == 1 ? "it" : "them"); `narada-cmd nodes` lists what there is."
        )
    }
}
