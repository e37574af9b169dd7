// SPDX-License-Identifier: Apache-2.0

internal import WeirPipelines
internal import WeirStreaming
internal import WeirTable
internal import Yams

/// Reads a project file: its YAML, then each part by its keys, then how parts fit each other. All that
/// is wrong is told at once, but for YAML that is none.
enum ProjectReader {
  private static let byteCountMax = 4 << 20

  static func read(_ text: String, file: String) throws(ProjectProblems) -> Project {
    let problems = ProblemList(file: file)
    let root = try compose(text, problems)
    var project = Project()
    if let root, let section = Section(root, "the file", keys: ProjectKeys.root, problems) {
      read(section, into: &project, problems)
    }
    guard problems.problems.isEmpty else { throw ProjectProblems(problems.sorted) }
    return project
  }

  private static func read(
    _ section: Section, into project: inout Project, _ problems: ProblemList
  ) {
    if let version = section["weir"], version.text != "1" {
      problems.add(
        version.mark, "this version of Weir does not know files of form \(version.kind)",
        "write 1, or take a newer version of Weir")
    }
    if let data = section.text("data") { project.data = data }
    project.catalog = section.text("catalog")
    project.warehouse = section.text("warehouse")
    if let node = section["server"],
      let server = Section(node, "'server'", keys: ProjectKeys.server, problems)
    {
      if let host = server.text("host") { project.server.host = host }
      if let port = server.int("port", in: 0...65_535) { project.server.port = port }
    }
    if let node = section["maintenance"] {
      MaintenanceReader(problems: problems).readDefaults(node, into: &project)
    }
    guard let streams = section["streams"] else {
      problems.add(section.mark, "the file declares no streams", "add them under 'streams'")
      return
    }
    guard case .mapping(let mapping) = streams else {
      problems.add(
        streams.mark, "'streams' must be a mapping, is \(streams.kind)",
        "write the name of each stream's table as a key: namespace.table")
      return
    }
    for (key, value) in mapping where problems.countPart(key.mark) {
      guard let table = tableName(key, problems) else { continue }
      let reader = StreamReader(
        table: table, key: key.mark, problems: problems, maintenance: project.maintenance)
      if let definition = reader.read(value) { project.streams.append(definition) }
    }
    readTables("profiles", section, &project, problems) { table, key, value, project in
      let reader = ProfileReader(
        table: table, key: key, streams: project.streams, problems: problems)
      if let definition = reader.read(value) { project.profiles.append(definition) }
    }
    readTables("candidates", section, &project, problems) { table, key, value, project in
      let reader = CandidateReader(table: table, key: key, project: project, problems: problems)
      if let definition = reader.read(value) { project.candidates.append(definition) }
    }
    readTables("feature_views", section, &project, problems) { name, key, value, project in
      let reader = FeatureViewReader(
        name: name, key: key, streams: project.streams, profiles: project.profiles,
        problems: problems)
      if let definition = reader.read(value) { project.featureViews.append(definition) }
    }
    readTables("examples", section, &project, problems) { table, key, value, project in
      let reader = ExampleReader(table: table, key: key, project: project, problems: problems)
      if let definition = reader.read(value) { project.examples.append(definition) }
    }
    project.onnxRuntime = section.text("onnxruntime")
    readTables("models", section, &project, problems) { table, key, value, project in
      let reader = ModelReader(table: table, key: key, project: project, problems: problems)
      if let definition = reader.read(value) { project.models.append(definition) }
    }
    if let surfaces = section["surfaces"] { readSurfaces(surfaces, into: &project, problems) }
    guard problems.problems.isEmpty, !project.examples.isEmpty else { return }
    do throws(StreamError) {
      _ = try project.requestLogs(project.surfaceShapes())
    } catch { problems.add(section.mark(of: "examples"), error.message) }
  }

  /// Reads a mapping whose keys name tables that nothing else is named by.
  private static func readTables(
    _ name: String, _ section: Section, _ project: inout Project, _ problems: ProblemList,
    _ read: (TableIdentifier, Mark?, Node, inout Project) -> Void
  ) {
    guard let node = section[name] else { return }
    guard case .mapping(let mapping) = node else {
      problems.add(
        node.mark, "'\(name)' must be a mapping, is \(node.kind)",
        "write the name of each table as a key: namespace.table")
      return
    }
    for (key, value) in mapping where problems.countPart(key.mark) {
      guard let table = tableName(key, problems) else { continue }
      if let kind = project.kind(of: table) {
        problems.add(key.mark, "'\(table)' is \(kind) already", "choose another name")
        continue
      }
      read(table, key.mark, value, &project)
    }
  }

  private static func tableName(_ key: Node, _ problems: ProblemList) -> TableIdentifier? {
    guard let name = key.text else {
      problems.add(key.mark, "\(key.kind) cannot name a stream")
      return nil
    }
    do throws(TableError) {
      let table = try TableIdentifier(parsing: name)
      try table.check()
      return table
    } catch {
      problems.add(
        key.mark, "'\(name)' is no name of a table", "write namespace.table, such as shop.\(name)")
      return nil
    }
  }

  /// The document's node; `nil` for an empty file.
  private static func compose(
    _ text: String, _ problems: ProblemList
  ) throws(ProjectProblems) -> Node? {
    func fail(_ mark: Mark?, _ message: String, _ remedy: String? = nil) -> ProjectProblems {
      problems.add(mark, message, remedy)
      return ProjectProblems(problems.sorted)
    }
    guard text.utf8.count <= byteCountMax else {
      throw fail(nil, "the file has more than \(byteCountMax) bytes")
    }
    do {
      guard let node = try Yams.compose(yaml: text) else {
        throw fail(nil, "the file is empty", "declare streams: see docs/project.md")
      }
      return node
    } catch let error as ProjectProblems {
      throw error
    } catch let error as YamlError {
      switch error {
      case .scanner(let context, let problem, let mark, _),
        .parser(let context, let problem, let mark, _),
        .composer(let context, let problem, let mark, _):
        let what = context.map { "\($0.text), \(problem)" } ?? problem
        throw fail(mark, "this is no YAML: \(what)", remedy(problem))
      case .duplicatedKeysInMapping(let duplicates, let context):
        throw fail(
          context.mark, "the mapping has the key '\(duplicates.first ?? "")' twice",
          "take one of them out")
      case .reader(let problem, _, _, _): throw fail(nil, "the text cannot be read: \(problem)")
      default: throw fail(nil, "the file cannot be read: \(error)")
      }
    } catch {
      throw fail(nil, "the file cannot be read: \(error)")
    }
  }

  private static func remedy(_ problem: String) -> String? {
    if problem.contains("cannot start any token") { return "indent with spaces, not with tabs" }
    if problem.contains("mapping values are not allowed") {
      return "is the line before indented right, and text with ': ' in quotes?"
    }
    return nil
  }
}
