/// A row of some channel that counts as a listen by itself.
public struct HeardListen: Hashable, Sendable {
    public let id: Int64
    /// The rank of its channel, the lowest the most trusted.
    public let channel: Int64
    /// When it began.
    public let startMS: Int64

    /// How far apart two channels may see one play begin.
    public static let toleranceMS: Int64 = 90_000

    /// Describes a row.
    public init(id: Int64, channel: Int64, startMS: Int64) {
        self.id = id
        self.channel = channel
        self.startMS = startMS
    }

    private var place: (Int64, Int64) { (startMS, id) }

    /// Finds the rows that tell of a listen that a more trusted channel told of.
    ///
    /// The channels are laid in rank order, each matched one-to-one in time order to what stands; what is
    /// not matched stands by itself. Two rows of one channel never join (`design.md` §6, "Listens").
    ///
    /// - Parameter rows: All rows of one title, or of one part of them with gaps over the tolerance around.
    /// - Returns: For each such row the listen that it tells of.
    public static func joined(_ rows: [HeardListen]) -> [Int64: Int64] {
        var result: [Int64: Int64] = [:]
        var standing: [HeardListen] = []
        let channels = Dictionary(grouping: rows, by: \.channel).sorted { $0.key < $1.key }
        for (_, list) in channels {
            var next = 0
            var alone: [HeardListen] = []
            for row in list.sorted(by: { $0.place < $1.place }) {
                while next < standing.count, standing[next].startMS < row.startMS - toleranceMS {
                    next += 1
                }
                if next < standing.count, standing[next].startMS <= row.startMS + toleranceMS {
                    result[row.id] = standing[next].id
                    next += 1
                } else {
                    alone.append(row)
                }
            }
            standing = (standing + alone).sorted { $0.place < $1.place }
        }
        return result
    }
}
