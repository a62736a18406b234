"""Pipeline: every request's way through audit id, authentication, impersonation, authorisation and dispatch.

Turns each refusal into its Status, and everything unforeseen into a 500 that is logged and tells nothing.
"""

from __future__ import annotations

import logging

from wherry.apiserver.api import Api
from wherry.apiserver.authn.authenticator import authenticate, impersonated
from wherry.apiserver.authn.user import User
from wherry.apiserver.authz.authorizer import refusal
from wherry.apiserver.authz.rules import Attributes
from wherry.apiserver.handlers import dispatch, failure
from wherry.apiserver.http import Answer, Request, Upgrade
from wherry.apiserver.nonresource import NonResource
from wherry.apiserver.routes import RequestInfo, parse, with_selected_name
from wherry.machinery.errors import APIError, BadRequest, InternalError

logger = logging.getLogger(__name__)


class Pipeline:
    """Call it with a request."""

    def __init__(self, api: Api, plain: NonResource) -> None:
        self._api = api
        self._plain = plain

    async def __call__(self, request: Request) -> Answer:
        """Answer; never raises APIError."""
        request.audit_id = self._api.uid()
        try:
            answer = await self._answer(request)
        except APIError as error:
            answer = failure(error)
        except (ConnectionError, TimeoutError):
            raise
        except RecursionError:
            answer = failure(BadRequest("the request is nested too deeply"))
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            answer = failure(InternalError("Internal error occurred"))
        if not isinstance(answer, Upgrade):
            answer.headers["Audit-Id"] = request.audit_id
        return answer

    async def _answer(self, request: Request) -> Answer:
        api = self._api
        info = parse(request.method, request.path, request.query)
        user = authenticate(api, request)
        acting = impersonated(request)
        if acting is not None:
            self._may_impersonate(user, acting)
            user = acting
        request.user = user
        if info.is_resource:
            api.authorizer.require(user, with_selected_name(info, request.query))
            self._plain.count(info.verb)
        elif not self._plain.open_to_all(info.path):
            api.authorizer.require(user, info)
        return await self.serve(request, info)

    async def serve(self, request: Request, info: RequestInfo) -> Answer:
        """Answer a request whose user is known and may do it. Raises APIError."""
        if info.is_resource:
            return await dispatch(self._api, request, info)
        return await self._plain.answer(request, info)

    def _may_impersonate(self, user: User, acting: User) -> None:
        asked: list[Attributes] = []
        account = acting.service_account
        if account is not None:
            namespace, name = account
            asked.append(Attributes(user, "impersonate", "", "serviceaccounts", namespace=namespace, name=name))
        else:
            asked.append(Attributes(user, "impersonate", "", "users", name=acting.name))
        implied = ("system:authenticated", "system:unauthenticated", "system:serviceaccounts")
        for group in acting.groups:
            if group in implied or (account is not None and group == f"system:serviceaccounts:{account[0]}"):
                continue
            asked.append(Attributes(user, "impersonate", "", "groups", name=group))
        if acting.uid:
            asked.append(Attributes(user, "impersonate", "authentication.k8s.io", "uids", name=acting.uid))
        for key, values in acting.extra.items():
            asked += [
                Attributes(user, "impersonate", "authentication.k8s.io", "userextras", key, name=value)
                for value in values
            ]
        for one in asked:
            if not self._api.authorizer.allowed(one):
                raise refusal(one)
