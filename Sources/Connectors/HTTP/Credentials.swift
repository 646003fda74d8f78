private import Glibc
private import JSONText
private import Ledger

/// The log-ins of a home: `credentials.json`, readable by its owner alone, replaced as a whole.
public struct Credentials: Sendable {
    private let path: String
    private let disk = SystemDisk()

    /// Takes the file in a home; there need not be one yet.
    public init(home: String) { path = home + "/credentials.json" }

    /// The fields of a service's log-in; nil if there is none.
    ///
    /// - Throws: ``ServiceError/Code/configuration`` if others can read or write the file.
    public func read(_ service: String) throws -> [String: String]? { try all()[service] }

    /// A service's log-in for the base URL that issued it; it is sent to no other.
    ///
    /// - Throws: ``ServiceError/Code/notAllowed`` if there is none, or one of another base.
    public func require(_ service: String, base: String) throws -> [String: String] {
        guard let fields = try read(service) else {
            throw refusal(service, "nobody is logged in to \(service)")
        }
        guard fields["base"] == base else {
            throw refusal(
                service,
                "the log-in is one of \(fields["base"] ?? "?") and is not sent to \(base)")
        }
        return fields
    }

    /// Does something while no other program or task changes a log-in.
    public func locked<R>(_ body: () async throws -> R) async throws -> R {
        let file = try disk.open(path.dropLast(5) + ".lock", writing: true, creating: true)
        while let file, try !file.lock(exclusive: true) {
            try await Task.sleep(for: .milliseconds(20))
        }
        defer { file?.unlock() }
        return try await body()
    }

    /// Puts a service's log-in in place of the one there is, nil to remove it; inside ``locked(_:)``.
    public func write(_ service: String, _ fields: [String: String]?) throws {
        var all = try all()
        all[service] = fields
        let services = all.sorted { $0.key < $1.key }.map { name, fields in
            (name, JSON.object(fields.sorted { $0.key < $1.key }.map { ($0, .text($1)) }))
        }
        try disk.replace(path, with: JSON.object(services).bytes + [0x0A])
    }

    private func all() throws -> [String: [String: String]] {
        guard let bytes = try disk.contents(of: path) else { return [:] }
        var status = stat()
        guard stat(path, &status) == 0, status.st_uid == geteuid(), status.st_mode & 0o077 == 0
        else {
            throw ServiceError(
                code: .configuration, service: "narada",
                message: "\(path) can be read or changed by others than its owner",
                remedy:
                    "chown it to yourself and run `chmod 600 \(path)`; log in again if it was seen."
            )
        }
        guard let services = try? JSON(parsing: bytes) else {
            throw ServiceError(
                code: .configuration, service: "narada", message: "\(path) is damaged",
                remedy: "remove it and log in again.")
        }
        return dictionary(services).mapValues { dictionary($0).compactMapValues(\.string) }
    }

    private func dictionary(_ object: JSON) -> [String: JSON] {
        Dictionary(object.members) { $1 }
    }

    private func refusal(_ service: String, _ message: String) -> ServiceError {
        ServiceError(
            code: .notAllowed, service: service, message: message,
            remedy: "log in with `narada-cmd login \(service)`.")
    }
}
