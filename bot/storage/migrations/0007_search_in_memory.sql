-- What can be searched is held in memory, made from the version's files.
DROP TABLE policy_index;
DROP TABLE policy_sections;
