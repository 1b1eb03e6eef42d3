// Logs in with kafkajs and sends a message: node kafkajs_login.js HOST:PORT TOPIC MECHANISM NAME PASSWORD. Prints its offset.
const { Kafka, logLevel } = require(process.env.KAFKAJS);

async function main() {
  const [broker, topic, mechanism, username, password] = process.argv.slice(2);
  const kafka = new Kafka({ clientId: 'e2e', brokers: [broker], logLevel: logLevel.NOTHING, retry: { retries: 0 },
                            sasl: { mechanism, username, password } });
  const producer = kafka.producer();
  await producer.connect();
  const [sent] = await producer.send({ topic, messages: [{ value: JSON.stringify({ id: 1, item: 'j', n: 1 }) }] });
  await producer.disconnect();
  console.log(sent.baseOffset);
}

main().then(() => process.exit(0), (error) => { console.error(error.message); process.exit(1); });
