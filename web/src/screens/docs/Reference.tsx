// Every operation of the management API and every type it speaks, from the server's own document; and what sidecars take, from theirs.

import text from "../../../../openapi/openapi.json?raw";
import sidecarText from "../../../../openapi/sidecar.json?raw";
import { operationsOf, refOf, typeOf, type Document, type Schema, type Server, type Shown } from "../../logic/openapi.ts";

const api = JSON.parse(text) as Document;
const sidecar = JSON.parse(sidecarText) as Document;
const SIDECAR = "At any sidecar";
/** The management API's operations by tag, then those of sidecars, where functions are called. */
export const reference: ReturnType<typeof operationsOf> = [...operationsOf(api), [SIDECAR, operationsOf(sidecar).flatMap(([, operations]) => operations)]];

export function Reference({ title }: { title: string }) {
  return (
    <article class="reference">
      <h1 tabIndex={-1}>{title}</h1>
      <p><Prose text={api.info.description ?? ""} /></p>
      <p>
        Every request carries <code>Authorization: Bearer TOKEN</code>, with a token from <code>gateless token create</code>. The document itself is at{" "}
        <code>/v1/openapi.json</code>. Version {api.info.version}.
      </p>
      <Servers servers={api.servers} />
      <p><Prose text={sidecar.info.description ?? ""} /></p>
      <Servers servers={sidecar.servers} />
      <nav aria-label="Operations">
        {reference.map(([tag, operations]) => (
          <section key={tag}>
            <h2>{tag}</h2>
            <ul>
              {operations.map((one) => (
                <li key={one.operationId}>
                  <a href={`#${one.operationId}`}>{one.summary ?? one.operationId}</a>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </nav>
      {reference.flatMap(([, operations]) => operations.map((one) => <Operation key={one.operationId} operation={one} />))}
      <h2 id="types">Types</h2>
      {Object.entries(api.components.schemas).map(([name, schema]) => (
        <Type key={name} name={name} schema={schema} />
      ))}
    </article>
  );
}

function Servers({ servers }: { servers: Server[] }) {
  return (
    <dl class="servers">
      {servers.map(({ url, description, variables = {} }) => (
        <div key={url}>
          <dt>
            <code>{url.replace(/\{(\w+)\}/g, (_, name: string) => variables[name]?.default ?? `{${name}}`)}</code>
          </dt>
          <dd>
            <Prose text={[description, ...Object.values(variables).map((one) => one.description)].filter(Boolean).join(" ")} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** What is between backticks is code; the document's descriptions have no other marks. */
function Prose({ text }: { text: string }) {
  return <>{text.split("`").map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))}</>;
}

function Operation({ operation }: { operation: Shown }) {
  const { operationId, method, path, summary, description, parameters = [], requestBody, responses } = operation;
  return (
    <section class="card operation" id={operationId} aria-label={summary ?? operationId}>
      <h3>{summary ?? operationId}</h3>
      <p>
        <span class="badge">{method.toUpperCase()}</span> <code>{path}</code>
      </p>
      {description && <p><Prose text={description} /></p>}
      {parameters.length > 0 && (
        <Fields
          title="Parameters"
          fields={parameters.map((one) => ({ name: one.name, where: one.in, schema: one.schema, required: one.required === true, text: one.description }))}
        />
      )}
      {requestBody && <Bodies title="Body" content={requestBody.content} />}
      {requestBody?.description && <p><Prose text={requestBody.description} /></p>}
      <h4>Answers</h4>
      <dl>
        {Object.entries(responses).map(([status, response]) => (
          <div key={status}>
            <dt>{status}</dt>
            <dd>
              <Prose text={response.description} /> <Bodies content={response.content ?? {}} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Bodies({ title, content }: { title?: string; content: Record<string, { schema?: Schema }> }) {
  const kinds = Object.entries(content);
  if (kinds.length === 0) return null;
  return (
    <>
      {title && <h4>{title}</h4>}
      {kinds.map(([kind, { schema }]) => (
        <span key={kind} class="body">
          <code>{kind}</code>{schema && <>: <Name schema={schema} /></>}
        </span>
      ))}
    </>
  );
}

function Name({ schema }: { schema: Schema }) {
  const ref = refOf(schema);
  const text = typeOf(schema);
  return ref === null ? <>{text}</> : <a href={`#type-${ref}`}>{text}</a>;
}

interface Field {
  name: string;
  where?: string;
  schema: Schema;
  required: boolean;
  text: string | undefined;
}

function Fields({ title, fields }: { title?: string; fields: Field[] }) {
  return (
    <>
      {title && <h4>{title}</h4>}
      <dl>
        {fields.map(({ name, where, schema, required, text }) => (
          <div key={`${where} ${name}`}>
            <dt>
              <code>{name}</code>
            </dt>
            <dd>
              <small>
                {where && `${where}, `}<Name schema={schema} />{required && ", required"}
                {schema.default !== undefined && `, default ${JSON.stringify(schema.default)}`}
              </small>
              {text && <p><Prose text={text} /></p>}
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Type({ name, schema }: { name: string; schema: Schema }) {
  const parts = [schema, ...(schema.allOf ?? [])];
  const fields = parts.flatMap((part) =>
    Object.entries(part.properties ?? {}).map(([field, of]): Field => ({ name: field, schema: of, required: part.required?.includes(field) ?? false, text: of.description })),
  );
  return (
    <section class="card operation" id={`type-${name}`} aria-label={name}>
      <h3>{name}</h3>
      {schema.description && <p><Prose text={schema.description} /></p>}
      {fields.length > 0 ? <Fields fields={fields} /> : <p>{typeOf(schema)}</p>}
      {schema.example !== undefined && (
        <>
          <h4>For example</h4>
          <pre tabIndex={0}>
            <code>{JSON.stringify(schema.example, null, 2)}</code>
          </pre>
        </>
      )}
    </section>
  );
}
