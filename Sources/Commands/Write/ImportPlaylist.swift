import ArgumentParser
import Events
import Foundation
import GRDB
import JSONText
import Ledger
import Music
import Projections

struct ImportPlaylist: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "playlist",
        abstract: "Take in playlists: Narada's JSON, Spotify's Playlist1.json, M3U8.",
        discussion: "Importing a file again appends only what is different.")
    @OptionGroup var options: WriteOptions
    @Argument var file: String
    @Option(help: "What to call it here.") var name: String?

    func run() throws {
        var lists = try PlaylistFile(file).playlists
        guard lists.count == 1 || name == nil else {
            throw NaradaError.usage(
                "--name names one playlist, and \(file) holds \(lists.count)", hint: "leave it out."
            )
        }
        if let name { lists[0].name = name }
        let session = try Session(writing: options, task: "import playlist")
        let fresh = lists.map { _ in newPlaylistURI(session) }
        var results: [(uri: String, name: String, count: Int, change: String)] = []
        try session.decide { db in
            results = []
            return try zip(lists, fresh).flatMap { list, fresh -> [NewEvent] in
                let (uri, events) = try list.events(db, fresh: fresh)
                let change = events.isEmpty ? "unchanged" : uri == nil ? "created" : "changed"
                results.append(
                    (uri ?? events[0].stream.description, list.name, list.items.count, change))
                return events
            }
        }
        let rows = results.map { result -> JSON in
            [
                "playlist": .text(result.uri), "name": .text(result.name),
                "count": JSON(result.count), "change": .text(result.change),
            ]
        }
        try session.answer(
            [("playlists", .array(rows))],
            text: results.map { "\($0.change): '\($0.name)', \($0.count) rows, \($0.uri)" }.joined(
                separator: "; "))
    }
}

/// A playlist as a file tells it.
struct ListedPlaylist {
    struct Item {
        var uri: String?
        var names: [(String, JSON)] = []
        var addedAtMS: Milliseconds?

        /// Takes in what the file calls it.
        mutating func name(_ title: String?, by artists: [String]?, on album: String? = nil) {
            if let title { names.append(("title", .text(title))) }
            if let artists { names.append(("artists", .array(artists.map { .text($0) }))) }
            if let album { names.append(("album", .text(album))) }
        }
    }

    var name: String
    var description: String?
    /// Its own URI, where the file is Narada's.
    var uri: String?
    /// How it is known again: the kind of file, the name there, and which of that name.
    var source: (kind: String, name: String, number: Int)
    var items: [Item] = []

    /// What brings the ledger to this list.
    ///
    /// - Returns: The playlist that exists, if there is one, and the events; none if nothing differs.
    func events(_ db: Database, fresh: String) throws -> (uri: String?, events: [NewEvent]) {
        let source: JSON = [
            "kind": .text(self.source.kind), "name": .text(self.source.name),
            "number": JSON(self.source.number),
        ]
        let known = try Row.fetchOne(
            db,
            sql: """
                SELECT uri, name, ifnull(description, '') FROM playlists
                WHERE (uri = ?1 OR source = ?2) AND is_deleted = 0 ORDER BY uri = ?1 DESC
                """, arguments: [uri, source.text])
        let rows = items.map { itemJSON($0.uri, addedAtMS: $0.addedAtMS, names: $0.names) }
        guard let known else {
            let isTaken =
                try Bool.fetchOne(
                    db, sql: "SELECT EXISTS (SELECT 1 FROM playlists WHERE uri = ?)",
                    arguments: [uri]) ?? false
            var data: [(String, JSON)] = [("name", .text(name))]
            if let description { data.append(("description", .text(description))) }
            data += [("items", .array(rows)), ("source", source)]
            let stream = try streamName(isTaken ? fresh : uri ?? fresh)
            return (nil, [NewEvent(.playlistCreated, on: stream, .object(data))])
        }
        let found = try FoundPlaylist.find(known[0], db)
        let stream = try found.stream
        var events: [NewEvent] = []
        if known[1] != name {
            events.append(NewEvent(.playlistRenamed, on: stream, ["name": .text(name)]))
        }
        if let description, known[2] != description {
            events.append(
                NewEvent(.playlistDescribed, on: stream, ["description": .text(description)]))
        }
        if try found.rows(db).map(\.uri) != items.map(\.uri) {
            events.append(
                NewEvent(.playlistEdited, on: stream, ["op": "set", "items": .array(rows)]))
        }
        return (found.uri, events)
    }
}

/// A file of playlists, its kind told by what it holds.
struct PlaylistFile {
    private(set) var playlists: [ListedPlaylist] = []
    private static let limit = 32 << 20

    init(_ path: String) throws {
        let data = try input(FileHandle(forReadingAtPath: path), path, atMost: Self.limit)
        let name = path.split(separator: "/").last.map(String.init) ?? path
        guard data.count <= Self.limit, let text = String(validating: data, as: UTF8.self) else {
            throw Self.malformed(name, "it is larger than 32 MB or not UTF-8")
        }
        if text.first(where: { !$0.isWhitespace && $0 != "\u{FEFF}" }) == "{" {
            try readJSON(Array(text.drop { $0 != "{" }.utf8), name)
        } else if text.contains("#EXTM3U")
            || [".m3u", ".m3u8"].contains(where: name.lowercased().hasSuffix)
        {
            try readM3U8(text, name)
        } else {
            throw Self.malformed(name, "it is neither JSON nor M3U8")
        }
        for (index, list) in playlists.enumerated() {
            guard list.items.count <= 65_536 else {
                throw Self.malformed(name, "'\(list.name)' has more than 65,536 rows")
            }
            // An empty URI names nothing.
            for row in list.items.indices where list.items[row].uri == "" {
                playlists[index].items[row].uri = nil
            }
        }
    }

    private static func malformed(_ name: String, _ reason: String) -> NaradaError {
        .badInput("\(name) is not a playlist: \(reason)", hint: "nothing was imported.")
    }

    private mutating func readJSON(_ bytes: [UInt8], _ name: String) throws {
        try bytes.withUnsafeBufferPointer { bytes in
            do { try JSONValidator.check(bytes, bounds: .init(value: Self.limit)) } catch {
                throw Self.malformed(name, "\(error)")
            }
            let value = JSONValue(bytes)
            if let lists = value["playlists"], lists.isArray {
                for list in lists.elements { try add(spotify: list, name) }
                guard !playlists.isEmpty else { throw Self.malformed(name, "it holds no playlist") }
                return
            }
            guard let items = value["items"], items.isArray, let title = value["name"]?.text else {
                throw Self.malformed(name, "it has no 'name' and 'items', and no 'playlists'")
            }
            var list = ListedPlaylist(name: title, source: ("json", title, 1))
            list.description = value["description"]?.text
            list.uri = value["playlist"]?.text.flatMap {
                $0.hasPrefix("narada:playlist:") && StreamName($0) != nil ? $0 : nil
            }
            for (index, row) in items.elements.enumerated() {
                guard row.isObject, row["uri"] == nil || row["uri"]?.isText == true else {
                    throw Self.malformed(
                        name, "item \(index + 1) has no 'uri' that is a text or null")
                }
                var item = ListedPlaylist.Item(uri: row["uri"]?.text)
                item.addedAtMS = row["added_at"]?.text.flatMap { ISOTime.parse($0) }
                let artists = row["artists"].flatMap { $0.isArray ? $0.elements : nil }
                item.name(row["title"]?.text, by: artists?.compactMap(\.text))
                list.items.append(item)
            }
            playlists.append(list)
        }
    }

    /// A list of the account data package: no id, order kept, `addedDate` only in newer files.
    private mutating func add(spotify value: JSONValue, _ name: String) throws {
        guard let title = value["name"]?.text, let items = value["items"], items.isArray else {
            throw Self.malformed(name, "playlist \(playlists.count + 1) has no 'name' and 'items'")
        }
        let number = playlists.count { $0.source.name == title } + 1
        var list = ListedPlaylist(name: title, source: ("spotify-account", title, number))
        list.description = value["description"]?.text
        for row in items.elements {
            let track = row["track"]
            let episode = row["episode"]
            let uri = track?["trackUri"] ?? episode?["episodeUri"] ?? row["localTrack"]?["uri"]
            let artist = (track?["artistName"] ?? episode?["showName"])?.text
            var item = ListedPlaylist.Item(uri: uri?.text)
            item.addedAtMS = row["addedDate"]?.text.flatMap { ISOTime.parseDate($0) }
            item.name(
                (track?["trackName"] ?? episode?["episodeName"])?.text,
                by: artist.map { [$0] }, on: track?["albumName"]?.text)
            if item.uri == nil, let title = track?["trackName"]?.text,
                let artist = track?["artistName"]?.text
            {
                item.uri = TextURI(artist: artist, title: title).uri
            }
            list.items.append(item)
        }
        playlists.append(list)
    }

    private mutating func readM3U8(_ text: String, _ name: String) throws {
        let stem = name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
        var list = ListedPlaylist(name: stem, source: ("m3u8", stem, 1))
        var item = ListedPlaylist.Item()
        var info: (artist: String, title: String)?
        for raw in text.split(whereSeparator: \.isNewline) {
            let line = raw.drop { $0 == "\u{FEFF}" || $0 == " " }
            guard line.utf8.count <= JSONBounds().text else {
                throw Self.malformed(name, "a line is longer than 64 KB")
            }
            if line.hasPrefix("#PLAYLIST:") {
                list.name = String(line.dropFirst(10))
                list.source.name = list.name
            } else if line.hasPrefix("#EXTINF:") {
                let parts = line.dropFirst(8).split(separator: ",", maxSplits: 1)
                if let seconds = parts.first.flatMap({ Int($0.prefix { $0.isNumber }) }),
                    (1..<1 << 32).contains(seconds)
                {
                    item.names.append(("duration_ms", JSON(seconds * 1000)))
                }
                info = parts.count > 1 && !parts[1].isEmpty ? M3U8.names(String(parts[1])) : nil
            } else if !line.hasPrefix("#"), !line.isEmpty {
                if let info, line != M3U8.unavailable {
                    item.name(info.title, by: info.artist.isEmpty ? nil : [info.artist])
                }
                item.uri = line == M3U8.unavailable ? nil : Self.uri(String(line), info)
                list.items.append(item)
                item = ListedPlaylist.Item()
                info = nil
            }
        }
        playlists.append(list)
    }

    /// The URI on a line of M3U8; a path stands for the artist and title above it, or for its own name.
    private static func uri(_ line: String, _ info: (artist: String, title: String)?) -> String {
        if let uri = try? trackURI(line) { return uri }
        let file =
            line.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last.map(String.init) ?? line
        let named = info ?? M3U8.names(file.lastIndex(of: ".").map { String(file[..<$0]) } ?? file)
        return TextURI(artist: named.artist, title: named.title).uri
    }
}

/// What export and import of M3U8 agree on.
enum M3U8 {
    /// Stands on the line of a row that is not available.
    static let unavailable = "narada:unavailable"

    /// `Artist - Title`, or a title alone.
    static func names(_ text: String) -> (artist: String, title: String) {
        guard let range = text.firstRange(of: " - ") else { return ("", text) }
        return (String(text[..<range.lowerBound]), String(text[range.upperBound...]))
    }
}
