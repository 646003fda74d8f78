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
        abstract: "Stands in for Spotify and Last.fm on 127.0.0.1, with an invented user's world.",
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
    private let folder: String

    init(_ state: String?) throws {
        let places = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"] ?? "/tmp"
        folder = state ?? "\(places)/narada-sandbox-\(getuid())"
        mkdir(folder, 0o700)
        var about = stat()
        // In /tmp somebody else may have made it first.
        guard lstat(folder, &about) == 0, about.st_uid == getuid(),
            about.st_mode & S_IFMT == S_IFDIR
        else {
            throw ValidationError("\(folder) is not a folder of yours; name another with --state")
        }
    }

    private func text(_ name: String) -> String {
        (try? String(contentsOfFile: folder + "/" + name, encoding: .utf8)) ?? ""
    }

    /// The process, if it runs and is still what it was.
    private var process: pid_t? {
        guard let pid = pid_t(text("pid").prefix { $0.isNumber }), pid > 1 else { return nil }
        let name = try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)
        return name == "narada-sandbox\n" ? pid : nil
    }

    func start() throws {
        if let process {
            throw ValidationError("one runs already as process \(process); end it with --stop")
        }
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        // A session of its own: the terminal's Ctrl-C is not meant for it.
        let script = """
            cd=$1; shift
            setsid "$@" </dev/null >"$cd/addresses" 2>"$cd/errors" & echo $! >"$cd/pid"
            """
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let given = CommandLine.arguments.dropFirst().filter { $0 != "--env" }
        shell.arguments = ["-c", script, "sh", folder, own] + given
        unlink(folder + "/addresses")
        // Not waited for: Foundation sees an end only when the last descendant is gone.
        try shell.run()
        // Its name is that of the shell until it has begun, so only a second in does silence mean an end.
        for attempt in 0..<600 where !text("addresses").hasSuffix("\n") {
            guard attempt < 599, attempt < 50 || process != nil else {
                throw ValidationError(text("errors"))
            }
            usleep(20_000)
        }
        let addresses = try JSONDecoder().decode(
            [String: String].self, from: Data(text("addresses").utf8))
        var variables = ["NARADA_PACE": "off", "LASTFM_USER": "sandbox"]
        for (name, url) in addresses where name != "control" {
            variables["NARADA_\(name.uppercased())_URL"] = url
        }
        variables["SPOTIFY_CLIENT_ID"] = "5a4db0c55a4db0c55a4db0c55a4db0c5"
        variables["LASTFM_API_KEY"] = LastfmApplication.key
        variables["LASTFM_API_SECRET"] = LastfmApplication.secret
        variables["NARADA_SANDBOX_URL"] = addresses["control"]
        for (name, value) in variables.sorted(by: { $0.key < $1.key }) {
            print("export \(name)='\(value)'")
        }
    }

    func stop() throws {
        guard let process else { return print("No sandbox runs in the background.") }
        kill(process, SIGTERM)
        for _ in 0..<500 where self.process != nil { usleep(20_000) }
        guard self.process == nil else { throw ValidationError("process \(process) does not end") }
        for name in ["pid", "addresses", "errors"] { unlink(folder + "/" + name) }
    }
}
