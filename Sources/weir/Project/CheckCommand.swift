// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import WeirColumnar
internal import WeirPipelines
internal import WeirProject
internal import WeirRanker
internal import WeirStreaming

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Check a project file.",
    discussion: """
      Tells everything that is wrong at once, each with its place and what to write instead. The form \
      of the file is in docs/project.md.

      Examples:
        weir check
        weir check shop/weir.yaml --json
        weir check --schema > weir.schema.json
      """)

  @Argument(help: "The project file, or its folder.", completion: .file(extensions: ["yaml"]))
  var file = "weir.yaml"

  @Flag(name: .long, help: "Print the result as JSON.")
  var json = false

  @Flag(
    name: .long, help: "Print the JSON Schema of project files, for editors, and check nothing.")
  var schema = false

  func run() throws {
    if schema { return Terminal.write(Project.jsonSchemaText) }
    do {
      let project = try ProjectFile(file).read()
      if json {
        Terminal.writeLine(
          JSONValue.object([
            ("file", .string(ProjectFile(file).path)), ("problems", []),
            ("streams", .array(project.streams.map { .string("\($0.table)") })),
            ("profiles", .array(project.profiles.map { .string("\($0.table)") })),
            ("candidates", .array(project.candidates.map { .string("\($0.table)") })),
            ("models", .array(project.models.map { .string("\($0.table)") })),
            ("feature_views", .array(project.featureViews.map { .string("\($0.name)") })),
            ("examples", .array(project.examples.map { .string("\($0.table)") })),
          ]).text)
      } else {
        var parts = [Self.count(project.streams.count, "stream")]
        if !project.profiles.isEmpty { parts.append(Self.count(project.profiles.count, "profile")) }
        if !project.candidates.isEmpty {
          parts.append(Self.count(project.candidates.count, "table") + " of candidates")
        }
        if !project.models.isEmpty { parts.append(Self.count(project.models.count, "model")) }
        if !project.featureViews.isEmpty {
          parts.append(Self.count(project.featureViews.count, "feature view"))
        }
        if !project.examples.isEmpty {
          parts.append(Self.count(project.examples.count, "table") + " of examples")
        }
        Terminal.writeLine(
          "\(ProjectFile(file).path): \(parts.joined(separator: ", ")), no problems")
      }
    } catch let error as ProjectProblems {
      if json {
        Terminal.writeLine(
          JSONValue.object([
            ("file", .string(ProjectFile(file).path)),
            ("problems", .array(error.problems.map(\.json))),
          ]).text)
      } else {
        for problem in error.problems { Terminal.writeLine("\(problem)") }
        let count = error.problems.count
        Terminal.writeError("\(count) \(count == 1 ? "problem" : "problems")\n")
      }
      throw ExitCode(1)
    }
  }

  private static func count(_ count: Int, _ name: String) -> String {
    "\(count) \(name)\(count == 1 ? "" : "s")"
  }
}
