// swift-tools-version:6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let arguments: Target.Dependency = .product(
    name: "ArgumentParser", package: "swift-argument-parser")
let sqlite: [Target.Dependency] = [
    .product(name: "GRDB", package: "GRDB.swift"),
    .product(name: "GRDBSQLite", package: "GRDB.swift"),
]

/// Read models that have an executable of their own, beside `narada-project`.
let readModels = ["tracks", "mappings", "playlists", "listens"]

let package = Package(
    name: "narada",
    products: [
        .executable(name: "narada", targets: ["narada"]),
        .executable(name: "narada-cmd", targets: ["narada-cmd"]),
        .executable(name: "narada-project", targets: ["narada-project"]),
        .executable(name: "narada-sandbox", targets: ["narada-sandbox"]),
    ]
        + readModels.map {
            .executable(name: "narada-project-\($0)", targets: ["narada-project"])
        },
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/swhitty/FlyingFox", exact: "0.27.1"),
    ],
    targets: [
        .systemLibrary(name: "CLZ4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CCrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZip", providers: [.apt(["libzip-dev"])]),
        .target(name: "CTerm"),
        .target(name: "CCurl"),
        .target(name: "JSONText", swiftSettings: settings),
        .target(
            name: "Ledger", dependencies: ["CLZ4", "CCrypto", "JSONText"], swiftSettings: settings),
        .target(
            name: "Music", resources: [.embedInCode("Matching/terms.txt")], swiftSettings: settings),
        .target(
            name: "Events", dependencies: ["Ledger", "JSONText"], path: "events",
            resources: [.embedInCode("catalogue.json")], swiftSettings: settings),
        .target(
            name: "Projections", dependencies: ["Events", "JSONText", "Ledger", "Music"] + sqlite,
            path: "projections",
            resources: [
                .embedInCode("tables.sql"), .embedInCode("indexes.sql"), .embedInCode("views.sql"),
            ],
            swiftSettings: settings),
        .target(
            name: "Projector", dependencies: ["Events", "Ledger", "Projections"] + sqlite,
            swiftSettings: settings),
        .target(
            name: "Connectors",
            dependencies: ["CCrypto", "CCurl", "CZip", "Events", "JSONText", "Ledger", "Music"],
            swiftSettings: settings),
        .target(
            name: "Workflows", dependencies: ["Events", "JSONText", "Ledger", "Music"],
            swiftSettings: settings),
        .target(
            name: "Commands",
            dependencies: [
                "CTerm", "Connectors", "Events", "JSONText", "Ledger", "Music", "Projections",
                "Projector", "Workflows", arguments,
            ] + sqlite,
            swiftSettings: settings),
        .target(
            name: "Sandbox",
            dependencies: [
                "CCrypto", "JSONText", "Ledger", .product(name: "FlyingFox", package: "FlyingFox"),
                .product(name: "FlyingSocks", package: "FlyingFox"),
            ], resources: [.embedInCode("shapes.json")], swiftSettings: settings),
        .executableTarget(name: "narada", dependencies: ["Commands"], swiftSettings: settings),
        .executableTarget(name: "narada-cmd", dependencies: ["Commands"], swiftSettings: settings),
        .executableTarget(
            name: "narada-project", dependencies: ["Commands"], swiftSettings: settings),
        .executableTarget(
            name: "narada-sandbox", dependencies: ["Sandbox", arguments], swiftSettings: settings),
        .executableTarget(
            name: "narada-bench",
            dependencies: ["Events", "JSONText", "Ledger", arguments] + sqlite,
            swiftSettings: settings),
        .target(
            name: "TestSupport",
            dependencies: [
                "Connectors", "Events", "JSONText", "Ledger", "Projections", "Projector",
            ] + sqlite, path: "Tests/TestSupport", swiftSettings: settings),
        .target(
            name: "Torture",
            dependencies: [
                "Commands", "Connectors", "Events", "JSONText", "Ledger", "Music", "Projections",
                "Projector", "TestSupport", "Workflows", arguments,
            ] + sqlite, path: "Tests/Torture", exclude: ["corpus.txt"],
            swiftSettings: settings),
        .executableTarget(
            name: "narada-torture", dependencies: ["Torture"], path: "Tests/narada-torture",
            swiftSettings: settings),
        .testTarget(
            name: "JSONTextTests", dependencies: ["JSONText", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "LedgerTests", dependencies: ["JSONText", "Ledger", "TestSupport", "Torture"],
            swiftSettings: settings),
        .target(
            name: "MatchingCases", dependencies: ["Music"], path: "Tests/MatchingCases",
            swiftSettings: settings),
        .executableTarget(
            name: "narada-bench-matching", dependencies: ["MatchingCases", "Music", arguments],
            path: "Tests/BenchMatching", swiftSettings: settings),
        .testTarget(
            name: "MusicTests", dependencies: ["MatchingCases", "Music", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "EventsTests",
            dependencies: ["Events", "JSONText", "Ledger", "Music", "Projections", "TestSupport"],
            exclude: ["Goldens"], swiftSettings: settings),
        .testTarget(
            name: "ConnectorsTests",
            dependencies: [
                "Connectors", "JSONText", "Ledger", "Music", "Projections", "TestSupport",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "WorkflowsTests",
            dependencies: ["Events", "JSONText", "Ledger", "Music", "TestSupport", "Workflows"],
            swiftSettings: settings),
        .testTarget(
            name: "ProjectorTests",
            dependencies: [
                "Events", "JSONText", "Ledger", "Music", "Projections", "Projector", "TestSupport",
            ] + sqlite, swiftSettings: settings),
        .testTarget(
            name: "CommandsTests", dependencies: ["JSONText", "Ledger", "TestSupport"] + sqlite,
            exclude: ["Goldens"], swiftSettings: settings),
        .testTarget(
            name: "SandboxTests", dependencies: ["Sandbox", "TestSupport"], swiftSettings: settings),
    ]
)

// Wants libFuzzer, so it is built by itself: `tools/torture --full --only fuzz-guided`.
if Context.environment["NARADA_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "narada-fuzz", dependencies: ["Torture"], path: "Tests/narada-fuzz",
            swiftSettings: settings))
}
