import ArgumentParser
import Dispatch
import Foundation
import Glibc
import Sandbox

/// The program.
@main
struct NaradaSandbox: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "narada-sandbox",
        abstract: "Stands in for the four services on 127.0.0.1, with an invented user's world.",
        discussion: """
            Prints one JSON line with the base URLs and serves until it is stopped.

              eval "$(narada-sandbox --env)"     in the background, for the programs of this shell
              narada-sandbox --stop
            """)

    @Option(help: "The port; 0 for a free one.") var port: UInt16 = 0
    @Option(help: "A folder where the world is kept between runs.") var state: String?
    @Option(help: "What goes wrong, such as '429=2,match=GET /me*,times=3'; may be repeated.")
    var fault: [String] = []
    @Option(help: "How Spotify behaves: dev2026, full2026 or legacy.") var mode: String?
    @Option(help: "What a new world is invented from.") var seed = 1
    @Option(help: "How many tracks exist.") var tracks = 40
    @Option(help: "How many playlists the user has.") var playlists = 5
    @Option(help: "How often the user listened.") var listens = 500
    @Option(help: "How many tracks the user saved.") var likes = 12
    @Flag(help: "Start in the background and print the environment for clients.") var env = false
    @Flag(help: "End the one that --env started.") var stop = false

    func run() async throws {
        if stop { return try Background(state).stop() }
        if env { return try Background(state).start() }
        let size = [
            "seed": seed, "tracks": tracks, "playlists": playlists, "listens": listens,
            "likes": likes,
        ]
        let sandbox: Sandbox
        do {
            sandbox = try Sandbox(size: size, mode: mode, faults: fault, folder: state)
        } catch {
            throw ValidationError("\(error)")
        }
        try await sandbox.start(port: port)
        print(await sandbox.addresses)
        fflush(nil)
        let (signals, continuation) = AsyncStream<Void>.makeStream()
        let sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { continuation.yield() }
            source.activate()
            return source
        }
        for await _ in signals { break }
        for source in sources { source.cancel() }
        try await sandbox.stop()
    }
}

/// The sandbox that `--env` starts and `--stop` ends, known by the files of a folder.
private struct Background {
    private let pidFile: String

    init(_ state: String?) throws {
        let places = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"] ?? "/tmp"
        let folder = state ?? "\(places)/narada-sandbox-\(getuid())"
        pidFile = folder + "/pid"
        mkdir(folder, 0o700)
        var about = stat()
        // In /tmp somebody else may have made it first.
        guard lstat(folder, &about) == 0, about.st_uid == getuid(),
            about.st_mode & S_IFMT == S_IFDIR
        else {
            throw ValidationError("\(folder) is not a folder of yours; name another with --state")
        }
    }

    /// The process, if it runs and is still what it was.
    private var process: pid_t? {
        let text = (try? String(contentsOfFile: pidFile, encoding: .utf8)) ?? ""
        guard let pid = pid_t(text), pid > 1 else { return nil }
        let name = try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)
        return name == "narada-sandbox\n" ? pid : nil
    }

    func start() throws {
        if let process {
            throw ValidationError("one runs already as process \(process); end it with --stop")
        }
        let (child, output) = (Process(), Pipe())
        child.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        child.arguments = CommandLine.arguments.dropFirst().filter { $0 != "--env" }
        (child.standardInput, child.standardOutput) = (FileHandle.nullDevice, output)
        child.standardError = output
        // It gets a process group of its own, and so no Ctrl-C of the terminal.
        try child.run()
        // The addresses come in one piece, being shorter than a pipe; or else why it ends.
        var line = output.fileHandleForReading.availableData
        guard let addresses = try? JSONDecoder().decode([String: String].self, from: line) else {
            line += output.fileHandleForReading.readDataToEndOfFile()
            throw ValidationError(String(decoding: line, as: UTF8.self))
        }
        try "\(child.processIdentifier)".write(toFile: pidFile, atomically: true, encoding: .utf8)
        var variables = [
            "NARADA_PACE": "off", "LASTFM_USER": "sandbox",
            "SPOTIFY_CLIENT_ID": "5a4db0c55a4db0c55a4db0c55a4db0c5",
            "LASTFM_API_KEY": LastfmApplication.key,
            "LASTFM_API_SECRET": LastfmApplication.secret, "LISTENBRAINZ_USER": "sandbox",
            "LISTENBRAINZ_TOKEN": ListenBrainzAccount.token,
        ]
        for (name, url) in addresses {
            variables["NARADA_\(name == "control" ? "SANDBOX" : name.uppercased())_URL"] = url
        }
        for (name, value) in variables.sorted(by: { $0.key < $1.key }) {
            print("export \(name)='\(value)'")
        }
    }

    func stop() throws {
        guard let process else { return print("No sandbox runs in the background.") }
        kill(process, SIGTERM)
        for _ in 0..<500 where self.process != nil { usleep(20_000) }
        guard self.process == nil else { throw ValidationError("process \(process) does not end") }
        unlink(pidFile)
    }
}
