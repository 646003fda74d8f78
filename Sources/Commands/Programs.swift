public import ArgumentParser

/// `narada-cmd`: the write side.
public struct NaradaCmd: ParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "narada-cmd",
        abstract: "Change your music ledger: every command appends events, none rewrites them.",
        discussion: """
            Examples:
              narada-cmd import spotify-history my_spotify_data.zip
              narada-cmd playlist create Morning
              narada-cmd playlist restore Morning --as-of 2026-05-01
            """,
        version: naradaVersion,
        subcommands: [
            InitCommand.self, EventsCommand.self, AppendCommand.self, ImportCommand.self,
            PlaylistCommand.self, LoginCommand.self, LogoutCommand.self, FetchCommand.self,
            ResolveCommand.self, MatchCommand.self,
            RunCommand.self, ValidateCommand.self, NodesCommand.self, SealCommand.self,
            RepairCommand.self,
        ])

    public init() {}
}

/// `narada`: the read side.
public struct Narada: ParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "narada",
        abstract: "Look at your music: what is, what was, and why.",
        discussion: """
            Examples:
              narada status
              narada playlist Morning --as-of 2026-05-01
              narada top --since 1y
            """,
        version: naradaVersion,
        subcommands: [
            StatusCommand.self, DoctorCommand.self, PlaylistsCommand.self, ShowPlaylist.self,
            HistoryCommand.self,
            DiffCommand.self, TracksCommand.self, TrackCommand.self, MappingsCommand.self,
            ListensCommand.self,
            TopCommand.self, ExplainCommand.self, ExportCommand.self, LogCommand.self,
        ])

    public init() {}
}
