public import Foundation

/// One of Narada's programs, as it was built beside the tests.
public struct Program: Sendable {
    public struct Result: Sendable {
        public let status: Int32
        public let output: [UInt8]
        public let error: String
        public var text: String { String(decoding: output, as: UTF8.self) }
    }

    public let name: String

    private let folder: String
    private let launcher: [String]

    /// Names a program.
    ///
    /// - Parameters:
    ///   - folder: Where it lies, if not beside the test bundle.
    ///   - launcher: A command that starts it, such as one that takes rights away.
    public init(_ name: String, in folder: String = Program.folder, through launcher: [String] = [])
    {
        self.name = name
        self.folder = folder
        self.launcher = launcher
    }

    /// Where the programs are: beside the test bundle.
    public static var folder: String {
        URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path
    }

    /// Starts it; nothing of the caller's environment comes along but what is needed to run.
    public func start(
        _ arguments: [String], environment: [String: String] = [:], input: String? = nil
    ) throws -> (process: Process, finish: () -> Result) {
        let (process, _, finish) = try watched(arguments, environment: environment, input: input)
        return (process, finish)
    }

    /// Starts it so that what it has printed so far can be read meanwhile.
    public func watched(
        _ arguments: [String], environment: [String: String] = [:], input: String? = nil
    ) throws -> (process: Process, output: () -> String, finish: () -> Result) {
        let process = Process()
        let command = launcher + [folder + "/" + name] + arguments
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        var variables = ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"]
        variables.merge(environment) { $1 }
        process.environment = variables
        // Files, not pipes: a program that says more than a pipe holds must not wait for its reader.
        let folder = try TemporaryFolder()
        let paths = [folder.file("out"), folder.file("err"), folder.file("in")]
        for path in paths {
            try Data((path == paths[2] ? input ?? "" : "").utf8).write(
                to: URL(fileURLWithPath: path))
        }
        process.standardOutput = FileHandle(forWritingAtPath: paths[0])
        process.standardError = FileHandle(forWritingAtPath: paths[1])
        process.standardInput = FileHandle(forReadingAtPath: paths[2])
        try process.run()
        func output() -> Data { FileManager.default.contents(atPath: paths[0]) ?? Data() }
        return (
            process, { String(decoding: output(), as: UTF8.self) },
            {
                process.waitUntilExit()
                defer { withExtendedLifetime(folder) {} }
                return Result(
                    status: process.terminationReason == .uncaughtSignal
                        ? 128 + process.terminationStatus : process.terminationStatus,
                    output: Array(output()),
                    error: String(
                        decoding: FileManager.default.contents(atPath: paths[1]) ?? Data(),
                        as: UTF8.self))
            }
        )
    }

    /// Runs it to its end.
    @discardableResult
    public func run(
        _ arguments: [String], environment: [String: String] = [:], input: String? = nil
    ) throws -> Result {
        try start(arguments, environment: environment, input: input).finish()
    }
}
