// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar
internal import WeirPipelines
internal import WeirStreaming

// Tables of candidates.
extension ProjectKeys {
  static let candidateKinds = ["trending", "similar", "fresh"]

  static let candidates = [
    ProjectKey(
      "kind",
      "How items are ranked: trending, by the most of a feature; similar, for each item those that "
        + "the same entities have; fresh, by the latest time.",
      ["enum": .array(candidateKinds.map { .string($0) })]),
    ProjectKey("profile", "The profile that is followed.", text),
    ProjectKey("table", "The keyed stream that is followed, instead of a profile.", text),
    ProjectKey(
      "feature",
      "For trending: a decayed_count, or a number without a window. For similar: the list of the "
        + "entity's events, made by 'last'.", text),
    ProjectKey("column", "For similar: the column of the list's events that names items.", text),
    ProjectKey("time", "For fresh: the column with the time.", text),
    ProjectKey(
      "item",
      "For trending and fresh: the column that names items. The default is the one of the key that is "
        + "not under 'by'.", text),
    ProjectKey(
      "by", "For trending and fresh: columns by whose values lists are kept apart.", names),
    ProjectKey("where", "Which rows of the followed table count.", text),
    ProjectKey(
      "shrinkage",
      "For similar: a pair that so many entities have counts half. The default is 10.",
      ["type": "number", "minimum": 0]),
    ProjectKey(
      "depth",
      "For similar: how many entries of an entity's list count, from its first on. The default is 100.",
      ["type": "integer", "minimum": 1, "maximum": .int(SimilarItems.depthMax)]),
    ProjectKey(
      "min_entities",
      "For similar: pairs that fewer entities have are left out. The default is 1.",
      ["type": "integer", "minimum": 1]),
    ProjectKey(
      "count", "Items in a list at most. The default is 100.",
      ["type": "integer", "minimum": 1, "maximum": .int(CandidateDefinition.countMax)]),
    ProjectKey(
      "interval", "The least time between two versions of a list. The default is 1s.", duration),
    ProjectKey(
      "memory", "What is remembered of the followed table at most. The default is 1GiB.", size),
    ProjectKey(
      "shards", "Shards of the table. The default is 1.",
      ["type": "integer", "minimum": 1, "maximum": .int(StreamDefinition.shardCountMax)]),
    ProjectKey("doc", "What the candidates are for.", text),
  ]
}
