/// One base URL with what answers below it.
///
/// The server, the journal and the faults know no more of a service than this; a new one is a value of
/// this type, its part of the ``World``, and a place in `Sandbox.services`.
struct Service: Sendable {
    typealias Handler = @Sendable (inout World, Call) throws -> Reply
    typealias Route = (pattern: String, handler: Handler)

    /// The key of its base URL in the line that the program prints.
    let name: String
    /// The path of its base URL.
    let base: String
    /// What the patterns are compared with: `METHOD /path` below the base if nothing else.
    var operation: @Sendable (Call, _ rest: String) -> String = { "\($0.method) \($1)" }
    /// Puts an error in the service's words.
    var render: @Sendable (Refusal, Call) -> Reply
    /// Patterns such as `GET /playlists/{id}/items`.
    var routes: [Route]

    /// The path below the base, without a slash at its end; nil if it belongs to another service.
    func rest(of path: String) -> String? {
        let (root, whole) = (withoutSlash(base), withoutSlash(path))
        guard (whole + "/").hasPrefix(root + "/") else { return nil }
        return String(whole.dropFirst(root.count))
    }

    private func withoutSlash(_ path: String) -> String {
        path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    /// Lets the first route that fits answer.
    func answer(_ call: Call, operation: String, in world: inout World) -> Reply {
        do {
            for route in routes {
                guard let arguments = match(route.pattern, operation) else { continue }
                var call = call
                call.arguments = arguments
                return try route.handler(&world, call)
            }
            throw Refusal(404)
        } catch {
            return render(error as? Refusal ?? Refusal(500), call)
        }
    }

    private func match(_ pattern: String, _ operation: String) -> [String]? {
        let wanted = pattern.split(separator: "/", omittingEmptySubsequences: false)
        let parts = operation.split(separator: "/", omittingEmptySubsequences: false)
        let pairs = zip(wanted, parts)
        guard wanted.count == parts.count, pairs.allSatisfy({ $0.hasPrefix("{") || $0 == $1 })
        else {
            return nil
        }
        return pairs.filter { $0.0.hasPrefix("{") }.map { decoded($0.1) }
    }
}
