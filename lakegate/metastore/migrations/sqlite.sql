CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE lake (
	lake_id TEXT NOT NULL, 
	PRIMARY KEY (lake_id)
);
CREATE TABLE repositories (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	storage_namespace TEXT NOT NULL, 
	default_branch TEXT NOT NULL, 
	created BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE UNIQUE INDEX repositories_by_name ON repositories (name);
CREATE TABLE branches (
	repository TEXT NOT NULL, 
	name TEXT NOT NULL, 
	commit_id TEXT NOT NULL, 
	staging TEXT NOT NULL, 
	sealed TEXT NOT NULL, 
	sequence BIGINT NOT NULL, 
	PRIMARY KEY (repository, name), 
	FOREIGN KEY(repository) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE TABLE tags (
	repository TEXT NOT NULL, 
	name TEXT NOT NULL, 
	commit_id TEXT NOT NULL, 
	PRIMARY KEY (repository, name), 
	FOREIGN KEY(repository) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE TABLE commits (
	repository TEXT NOT NULL, 
	id TEXT NOT NULL, 
	created BIGINT NOT NULL, 
	PRIMARY KEY (repository, id), 
	FOREIGN KEY(repository) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE TABLE ref_moves (
	"row" INTEGER NOT NULL, 
	repository TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	commit_id TEXT, 
	sequence BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	journaled BOOLEAN NOT NULL, 
	PRIMARY KEY ("row"), 
	FOREIGN KEY(repository) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE INDEX ref_moves_by_name ON ref_moves (repository, name, "row");
CREATE INDEX ref_moves_by_journal ON ref_moves (repository, journaled, "row");
CREATE TABLE staged (
	token TEXT NOT NULL, 
	path TEXT NOT NULL, 
	write_id TEXT NOT NULL, 
	address TEXT, 
	size BIGINT, 
	etag TEXT, 
	mtime BIGINT, 
	digest TEXT, 
	content_type TEXT, 
	metadata TEXT, 
	headers TEXT, 
	PRIMARY KEY (token, path)
)
 WITHOUT ROWID

;
CREATE TABLE uploads (
	repository TEXT NOT NULL, 
	id TEXT NOT NULL, 
	branch TEXT NOT NULL, 
	path TEXT NOT NULL, 
	created BIGINT NOT NULL, 
	content_type TEXT NOT NULL, 
	metadata TEXT NOT NULL, 
	headers TEXT NOT NULL, 
	PRIMARY KEY (repository, id), 
	FOREIGN KEY(repository) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE INDEX uploads_by_path ON uploads (repository, branch, path, id);
CREATE TABLE parts (
	repository TEXT NOT NULL, 
	upload TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	address TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	etag TEXT NOT NULL, 
	created BIGINT NOT NULL, 
	checksums TEXT NOT NULL, 
	PRIMARY KEY (repository, upload, number), 
	FOREIGN KEY(repository, upload) REFERENCES uploads (repository, id) ON DELETE CASCADE
);
CREATE TABLE holds (
	repository TEXT NOT NULL, 
	id TEXT NOT NULL, 
	commit_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	created BIGINT NOT NULL, 
	PRIMARY KEY (repository, id), 
	FOREIGN KEY(repository) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX holds_by_name ON holds (repository, name, commit_id);
CREATE TABLE jobs (
	repository TEXT NOT NULL, 
	id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	state TEXT NOT NULL, 
	done BIGINT NOT NULL, 
	total BIGINT, 
	created BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	result TEXT NOT NULL, 
	error_code TEXT, 
	error_message TEXT, 
	error_hint TEXT NOT NULL, 
	cancel BOOLEAN NOT NULL, 
	PRIMARY KEY (repository, id), 
	FOREIGN KEY(repository) REFERENCES repositories (id) ON DELETE CASCADE
);
CREATE INDEX jobs_by_time ON jobs (repository, created, id);
CREATE TABLE users (
	name TEXT NOT NULL, 
	admin BOOLEAN NOT NULL, 
	created BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE keys (
	access_key_id TEXT NOT NULL, 
	user TEXT NOT NULL, 
	secret BLOB NOT NULL, 
	created BIGINT NOT NULL, 
	PRIMARY KEY (access_key_id), 
	FOREIGN KEY(user) REFERENCES users (name) ON DELETE CASCADE
);
CREATE INDEX keys_by_user ON keys (user, access_key_id);
CREATE TABLE dropped (
	token TEXT NOT NULL, 
	PRIMARY KEY (token)
);
INSERT INTO alembic_version VALUES ('0002')
