import ArgumentParser
import Dispatch
import Glibc
import Sandbox

@main
struct NaradaSandbox: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "narada-sandbox",
        abstract: "Stands in for Spotify and Last.fm on 127.0.0.1, with an invented user's world.")

    @Option(help: "The port; 0 for a free one.") var port: UInt16 = 0
    @Option(help: "A folder where the world is kept between runs.") var state: String?
    @Option(help: "Something that goes wrong, such as '429=2,match=GET /me*,times=3'.")
    var fault: [String] = []
    @Option(help: "How Spotify behaves: dev2026, full2026 or legacy.") var mode: String?
    @Option(help: "What the world is invented from.") var seed = 1
    @Option(help: "How many tracks exist.") var tracks = 40
    @Option(help: "How many playlists the user has.") var playlists = 5
    @Option(help: "How often the user listened.") var listens = 500
    @Option(help: "How many tracks the user saved.") var likes = 12

    func run() async throws {
        let size = [
            "seed": seed, "tracks": tracks, "playlists": playlists, "listens": listens,
            "likes": likes,
        ]
        let sandbox = try Sandbox(size: size, mode: mode, faults: fault, folder: state)
        try await sandbox.start(port: port)
        print(await sandbox.addresses)
        fflush(nil)
        await untilStopped()
        try await sandbox.stop()
    }
}

/// Returns when the program is asked to end.
private func untilStopped() async {
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
}
