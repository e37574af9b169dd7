// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirHTTP
internal import WeirStorage

/// Who may use a service.
struct AccessOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Whoever sends this token may do everything. WEIR_CATALOG_TOKEN in the environment does the "
        + "same and is not seen in lists of processes.", valueName: "text"))
  var token: String?

  @Option(
    name: .long,
    help: "A JSON file of clients with their secrets and what they may do.",
    completion: .file(extensions: ["json"]))
  var clients: String?

  @Flag(name: .long, help: "Listen to other machines without asking for a token.")
  var allowAnybody = false

  func policy(host: String) throws -> AccessPolicy {
    let token = token ?? Terminal.environment("WEIR_CATALOG_TOKEN")
    guard token != nil || clients != nil else {
      guard allowAnybody || ["127.0.0.1", "::1", "localhost"].contains(host) else {
        throw CommandFailure(
          "\(host) can be reached by others, and nobody is asked for a token",
          hint: "Give --token or --clients, or --allow-anybody when that is wanted.")
      }
      return .open
    }
    if let token, token.utf8.count < 16 {
      throw CommandFailure(
        "the token has \(token.utf8.count) bytes", hint: "Take at least 16 that nobody can guess.")
    }
    var file: [UInt8]?
    if let clients {
      let source = try InputFile.open(clients)
      file = try source.read(0..<source.size).withUnsafeBytes { Array($0) }
    }
    do {
      return try AccessPolicy(token: token, clientsFile: file)
    } catch {
      throw CommandFailure("\(clients ?? "--token"): \(error)")
    }
  }
}
