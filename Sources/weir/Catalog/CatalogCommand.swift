// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

struct CatalogCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "catalog",
    abstract: "Serve a catalog of tables to other programs.",
    discussion: """
      Examples:
        weir catalog serve --data warehouse
        weir catalog serve --data warehouse --clients clients.json --port 8181
        weir catalog secret
      """,
    subcommands: [ServeCommand.self, SecretCommand.self])
}
