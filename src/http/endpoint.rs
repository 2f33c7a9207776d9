//! One route, and everything that happens to its requests before and after the handler.

use std::convert::Infallible;
use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on_service};
use futures_util::FutureExt;
use futures_util::future::Either;
use tower::service_fn;

use super::accept::Peer;
use super::answer::Answer;
use super::auth::Access;
use super::call::{Call, Received};
use super::error::Problem;
use super::metrics::RouteMetrics;
use super::node::Node;
use super::query::Query;

/// What a listener serves: everything, or one service's own routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Everything.
    All,
    /// The waitlist.
    Waitlist,
    /// Invite codes.
    Invites,
    /// Referrals.
    Referrals,
    /// Quality gates.
    Quality,
}

impl Service {
    /// The name in `/health`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "vobee",
            Self::Waitlist => "waitlist",
            Self::Invites => "invites",
            Self::Referrals => "referrals",
            Self::Quality => "quality-gates",
        }
    }

    fn serves(self, path: &str) -> bool {
        let prefix = match self {
            Self::All => return true,
            Self::Waitlist => "/api/waitlist",
            Self::Invites => "/api/invites",
            Self::Referrals => "/api/referrals",
            Self::Quality => "/api/quality",
        };
        path.starts_with(prefix) || ["/health", "/livez", "/readyz"].contains(&path)
    }
}

/// One route: where it is, what it asks of its caller, and what answers it.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// Whether it takes parameters behind a `?`.
    asks: bool,
    serve: Box<dyn FnOnce(Arc<Endpoint>) -> MethodRouter>,
}

/// Collects routes.
#[derive(Default)]
pub(crate) struct Routes(Vec<Route>);

impl Routes {
    pub(crate) fn get<H, F>(self, path: &'static str, access: Access, handler: H) -> Self
    where
        H: FnOnce(Call) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.add(MethodFilter::GET, "GET", path, access, handler)
    }

    pub(crate) fn post<H, F>(self, path: &'static str, access: Access, handler: H) -> Self
    where
        H: FnOnce(Call) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.add(MethodFilter::POST, "POST", path, access, handler)
    }

    pub(crate) fn delete<H, F>(self, path: &'static str, access: Access, handler: H) -> Self
    where
        H: FnOnce(Call) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        self.add(MethodFilter::DELETE, "DELETE", path, access, handler)
    }

    fn add<H, F>(
        mut self,
        filter: MethodFilter,
        method: &'static str,
        path: &'static str,
        access: Access,
        handler: H,
    ) -> Self
    where
        H: FnOnce(Call) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let serve = move |endpoint: Arc<Endpoint>| {
            let serve = move |request| {
                attend(Arc::clone(&endpoint), request, handler.clone()).map(Ok::<_, Infallible>)
            };
            // As a service and not as a handler: that is one box a request instead of two.
            on_service(filter, service_fn(serve))
        };
        self.0.push(Route { method, path, access, asks: false, serve: Box::new(serve) });
        self
    }

    /// The route before this takes parameters behind a `?`.
    pub(crate) fn with_query(mut self) -> Self {
        if let Some(route) = self.0.last_mut() {
            route.asks = true;
        }
        self
    }

    /// What there is, in the order of the list.
    pub(crate) fn list(&self) -> &[Route] {
        &self.0
    }

    /// The routes that `service` serves, and a problem document for whatever is none of them.
    pub(crate) fn router(self, node: &Arc<Node>, service: Service) -> Router {
        let endpoint = |access, method, path, asks| {
            let metrics = RouteMetrics::new(method, path);
            Arc::new(Endpoint { node: Arc::clone(node), service, path, access, asks, metrics })
        };
        let served = self.0.into_iter().filter(|route| service.serves(route.path));
        let router = served.fold(Router::new(), |router, route| {
            let Route { method, path, access, asks, serve } = route;
            router.route(path, serve(endpoint(access, method, path, asks)))
        });
        let unknown = endpoint(Access::Public, "other", "unknown", true);
        let other_method = Arc::clone(&unknown);
        router
            .fallback(move |request: Request| {
                attend(unknown, request, |_| ready(Err(Problem::not_found())))
            })
            .method_not_allowed_fallback(move |request: Request| {
                attend(other_method, request, |_| ready(Err(Problem::method_not_allowed())))
            })
    }
}

/// What is known of a route before a request comes.
struct Endpoint {
    node: Arc<Node>,
    service: Service,
    path: &'static str,
    access: Access,
    asks: bool,
    metrics: RouteMetrics,
}

/// From a request to its answer, on every route alike.
fn attend<H, F>(
    endpoint: Arc<Endpoint>,
    request: Request,
    handler: H,
) -> impl Future<Output = Response>
where
    H: FnOnce(Call) -> F,
    F: Future<Output = Answer>,
{
    let start = Instant::now();
    let answer = match admit(&endpoint, request) {
        Ok(call) => Either::Left(survive(handler(call))),
        Err(problem) => Either::Right(ready(Err(problem))),
    };
    answer.map(move |answer| {
        let response = answer.unwrap_or_else(|problem| {
            // A probe that says no is no failed request; whoever probes knows what to do about it.
            if problem.kind.status.is_server_error() && endpoint.access != Access::Probe {
                endpoint.node.complaints.note(endpoint.path, problem.kind.code);
            }
            problem.into()
        });
        endpoint.metrics.record(response.status(), start.elapsed());
        response
    })
}

fn admit(endpoint: &Endpoint, request: Request) -> Result<Call, Problem> {
    let (parts, body) = request.into_parts();
    let node = &endpoint.node;
    let peer = parts.extensions.get::<Peer>().expect("the accept loop names the peer");
    let client = node.proxies.client(peer.0.ip(), &parts.headers);
    if endpoint.access != Access::Probe {
        node.admission.admit(client)?;
    }
    let caller = node.doorkeeper.admit(endpoint.access, client, &parts.headers)?;
    if let Some(caller) = caller {
        node.admission.admit_key(caller.id)?;
    }
    // What is not looked at must not seem to have been, least of all `dry_run`.
    if !endpoint.asks && parts.uri.query().is_some() {
        Query::parse(parts.uri.query()).finish()?;
    }
    let (node, service) = (Arc::clone(node), endpoint.service);
    Ok(Call::new(Received { node, service, parts, body, client, caller }))
}

/// Turns a panic into a problem. The panic hook has logged it; the connection lives on.
fn survive(work: impl Future<Output = Answer>) -> impl Future<Output = Answer> {
    // Whatever the handler left half done goes with it: it shares nothing but the engine's handle,
    // whose messages are sent whole.
    let work = AssertUnwindSafe(work).catch_unwind();
    work.map(|answer| answer.unwrap_or_else(|_| Err(Problem::panicked())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_handler_is_a_problem_and_no_more() {
        let problem = survive(async { panic!("a defect") }).await.expect_err("a problem");
        assert_eq!(problem.kind.status.as_u16(), 500);
    }

    #[test]
    fn a_service_serves_its_own_routes_and_its_health() {
        assert!(Service::Waitlist.serves("/api/waitlist/join"));
        assert!(Service::Waitlist.serves("/health"));
        assert!(!Service::Waitlist.serves("/api/invites/redeem"));
        assert!(!Service::Waitlist.serves("/metrics"));
        assert!(Service::All.serves("/metrics"));
    }
}
